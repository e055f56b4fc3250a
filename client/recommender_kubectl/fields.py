"""The API as this tool uses it: names of kinds, annotations and fields that are not read by the
names of the fields in `objects.py` and `experiment_objects.py`.

A release of the operator may add fields, and an object may have no status yet: whatever is absent
reads as empty.
"""

from __future__ import annotations

import datetime
import json

from recommender_contract.api_names import request_annotation
from recommender_contract.typed_json import Json, read, read_time
from recommender_kubectl.experiment_objects import Experiment
from recommender_kubectl.objects import Model, Retraining, Rollout, Version

MODELS, VERSIONS = "recommendermodels", "modelversions"
#: Annotations that request an action, by the name of the action in status.handled.
ACTIONS = ("abort", "promote", "retrain", "retry", "rollback-to")
#: Metrics of the items of a group.
_OF_GROUP = {"GroupExposure", "GroupExcess"}


def read_model(body: Json) -> Model:
    """Read a RecommenderModel as the API server returns it."""
    meta, spec, status = body["metadata"], body.get("spec", {}), body.get("status", {})
    return read(
        Model,
        status,
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        resource_version=meta.get("resourceVersion", ""),
        generation=meta.get("generation", 0),
        paused=spec.get("paused", False),
        rollback_to=spec.get("rollbackTo"),
        rollout=_rollout(spec),
        clock_lag=_lag(status.get("clock")),
        asked=_asked(meta.get("annotations") or {}),
        retraining=_retraining(status.get("retrain")),
    )


def read_version(body: Json) -> Version:
    """Read a ModelVersion as the API server returns it."""
    meta, spec, status = body["metadata"], body.get("spec", {}), body.get("status", {})
    return read(
        Version,
        status,
        name=meta["name"],
        created_at=read_time(meta.get("creationTimestamp")),
        trigger=spec.get("trigger", "Spec"),
        data=spec.get("data", {}),
        training=spec.get("training", {}),
        experiment=read_experiment(status.get("experiment"), ended=bool(status.get("decision"))),
        published=bool(status.get("artifact")),
    )


def model_of(body: Json) -> str:
    """Return the name of the model of a ModelVersion."""
    return str(body.get("spec", {}).get("model", ""))


def read_experiment(body: Json | None, *, ended: bool) -> Experiment | None:
    """Read status.experiment of a version; None without one."""
    if not body:
        return None
    plan = body.get("plan", {})
    named = {one["metric"] for part in ("primary", "guardrails") for one in plan.get(part, ())}
    return read(
        Experiment,
        body,
        over=ended or body.get("final", False),
        interactions=tuple(one.get("message", "") for one in body.get("interactions", ())),
        slower_than=plan.get("slowerThanMilliseconds") if "SlowShare" in named else None,
        item_group=_group(plan) if _OF_GROUP & named else "",
    )


def _group(plan: Json) -> str:
    group = plan.get("itemGroup") or {}
    return (
        f"{group.get('feature', '')} {' or '.join(map(json.dumps, group.get('categories', ())))}"
    )


def _rollout(spec: Json) -> Rollout:
    """Read the rollout. The API server has set the defaults of the definition."""
    rollout = spec.get("rollout", {})
    return read(
        Rollout,
        spec,
        weights=tuple(step["weight"] for step in rollout.get("steps", ())),
        manual=rollout.get("promotion") == "Manual",
    )


def _asked(annotations: Json) -> dict[str, str]:
    """Read the requests as the operator reads their tokens."""
    found = {action: str(annotations.get(request_annotation(action), "")) for action in ACTIONS}
    return {action: token.strip()[:253] for action, token in found.items() if token.strip()}


def _retraining(body: Json | None) -> Retraining | None:
    at = read_time((body or {}).get("requestedAt"))
    version = (body or {}).get("version", "")
    return Retraining(version=version, at=at) if version and at is not None else None


def _lag(clock: Json | None) -> datetime.timedelta:
    if not clock:
        return datetime.timedelta()
    seen, time = (datetime.datetime.fromisoformat(clock[key]) for key in ("observedAt", "time"))
    return seen - time
