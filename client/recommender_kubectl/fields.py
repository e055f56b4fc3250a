"""The API as this tool uses it: names of kinds, annotations and fields are here and in
`experiment_fields.py`, and nowhere else.

A release of the operator may add fields, and an object may have no status yet: whatever is absent
reads as empty.
"""

from __future__ import annotations

import datetime

from recommender_contract.api_names import request_annotation
from recommender_kubectl.experiment_fields import read_experiment, read_interleaving, read_time
from recommender_kubectl.objects import (
    Condition,
    Decision,
    Gate,
    Handled,
    Json,
    Metric,
    Model,
    Outcome,
    Retraining,
    Rollout,
    Step,
    Version,
)

MODELS, VERSIONS = "recommendermodels", "modelversions"
#: Annotations that request an action, by the name of the action in status.handled.
ACTIONS = ("abort", "promote", "retrain", "retry", "rollback-to")


def read_model(body: Json) -> Model:
    """Read a RecommenderModel as the API server returns it."""
    meta, spec, status = body["metadata"], body.get("spec", {}), body.get("status", {})
    return Model(
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        resource_version=meta.get("resourceVersion", ""),
        generation=meta.get("generation", 0),
        paused=spec.get("paused", False),
        rollback_to=spec.get("rollbackTo"),
        rollout=_rollout(spec),
        observed_generation=status.get("observedGeneration", 0),
        stage=status.get("stage", "Pending"),
        champion=status.get("champion"),
        candidate=status.get("candidate"),
        previous=status.get("previous"),
        champion_weight=status.get("championWeight"),
        candidate_weight=status.get("candidateWeight"),
        fresh_champion=status.get("freshChampion"),
        fresh_champion_weight=status.get("freshChampionWeight"),
        holdout=(status.get("holdout") or {}).get("message", ""),
        verdict=status.get("verdict"),
        last_outcome=_outcome(status.get("lastOutcome")),
        url=status.get("url"),
        route_pending_since=read_time(status.get("routePendingSince")),
        clock_lag=_lag(status.get("clock")),
        locked=status.get("locked", False),
        consecutive_rollbacks=status.get("consecutiveRollbacks", 0),
        asked=_asked(meta.get("annotations") or {}),
        handled=tuple(
            Handled(action=one["action"], token=one["token"], result=one.get("result", ""))
            for one in status.get("handled", ())
        ),
        retraining=_retraining(status.get("retrain")),
        conditions=tuple(_condition(one) for one in status.get("conditions", ())),
    )


def read_version(body: Json) -> Version:
    """Read a ModelVersion as the API server returns it."""
    meta, spec, status = body["metadata"], body.get("spec", {}), body.get("status", {})
    lineage, smoke = status.get("lineage") or {}, status.get("smoke") or {}
    return Version(
        name=meta["name"],
        created_at=read_time(meta.get("creationTimestamp")),
        trigger=spec.get("trigger", "Spec"),
        data=spec.get("data", {}),
        training=spec.get("training", {}),
        stage=status.get("stage", "Pending"),
        stage_since=read_time(status.get("stageSince")),
        weight=status.get("weight", 0),
        promoted_at=read_time(status.get("promotedAt")),
        data_version=lineage.get("dataVersion"),
        data_rows=lineage.get("dataRows"),
        code_version=lineage.get("codeVersion") or None,
        seed=lineage.get("seed"),
        recalibrated_from=lineage.get("recalibratedFrom"),
        found_hyperparameters=(status.get("search") or {}).get("hyperparameters", {}),
        metrics=status.get("metrics", {}),
        gates=tuple(_gate(one) for one in status.get("gates", ())),
        smoke_passed=smoke.get("passed"),
        smoke_message=smoke.get("message", ""),
        steps=tuple(_step(one) for one in status.get("steps", ())),
        experiment=read_experiment(status.get("experiment"), ended=bool(status.get("decision"))),
        interleaving=read_interleaving(status.get("interleaving")),
        decision=_decision(status.get("decision")),
        failure=status.get("failure") or "",
        published=bool(status.get("artifact")),
    )


def model_of(body: Json) -> str:
    """Return the name of the model of a ModelVersion."""
    return str(body.get("spec", {}).get("model", ""))


def _rollout(spec: Json) -> Rollout:
    """Read the rollout. The API server has set the defaults of the definition."""
    rollout, analysis = spec.get("rollout", {}), spec.get("analysis", {})
    return Rollout(
        weights=tuple(step["weight"] for step in rollout.get("steps", ())),
        manual=rollout.get("promotion") == "Manual",
        step_seconds=analysis.get("stepSeconds", 0),
        min_requests=analysis.get("minRequests", 0),
        deadline_seconds=analysis.get("deadlineSeconds", 0),
        on_deadline=analysis.get("onDeadline", ""),
    )


def _asked(annotations: Json) -> dict[str, str]:
    """Read the requests as the operator reads their tokens."""
    found = {action: str(annotations.get(request_annotation(action), "")) for action in ACTIONS}
    return {action: token.strip()[:253] for action, token in found.items() if token.strip()}


def _retraining(body: Json | None) -> Retraining | None:
    at = read_time((body or {}).get("requestedAt"))
    version = (body or {}).get("version", "")
    return Retraining(version=version, at=at) if version and at is not None else None


def _outcome(body: Json | None) -> Outcome | None:
    if not body:
        return None
    return Outcome(
        version=body["version"],
        outcome=body["outcome"],
        reason=body.get("reason", ""),
        summary=body.get("summary", ""),
    )


def _condition(body: Json) -> Condition:
    return Condition(
        type=body["type"],
        status=body["status"],
        reason=body.get("reason", ""),
        message=body.get("message", ""),
        since=read_time(body.get("lastTransitionTime")),
    )


def _decision(body: Json | None) -> Decision | None:
    if not body:
        return None
    return Decision(
        outcome=body["outcome"],
        reason=body.get("reason", ""),
        message=body.get("message", ""),
        at=read_time(body.get("at")),
    )


def _gate(body: Json) -> Gate:
    return Gate(
        name=body["metric"],
        passed=body["passed"],
        value=body.get("value"),
        low=body.get("low"),
        high=body.get("high"),
        threshold=body.get("threshold", ""),
        message=body.get("message", ""),
    )


def _step(body: Json) -> Step:
    return Step(
        weight=body["weight"],
        started_at=datetime.datetime.fromisoformat(body["startedAt"]),
        ended_at=read_time(body.get("endedAt")),
        verdict=body.get("verdict", ""),
        metrics=tuple(_metric(one) for one in body.get("metrics", ())),
        fresh_champion=body.get("freshChampion", False),
    )


def _metric(body: Json) -> Metric:
    return Metric(
        name=body["metric"],
        verdict=body["verdict"],
        value=body.get("value"),
        low=body.get("low"),
        high=body.get("high"),
        stable=body.get("stableValue"),
        threshold=body.get("threshold", ""),
        samples=body.get("sampleSize", 0),
        message=body.get("message", ""),
    )


def _lag(clock: Json | None) -> datetime.timedelta:
    if not clock:
        return datetime.timedelta()
    seen, time = (datetime.datetime.fromisoformat(clock[key]) for key in ("observedAt", "time"))
    return seen - time
