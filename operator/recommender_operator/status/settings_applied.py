"""The condition SettingsApplied: settings of the spec that have no effect, with the remedy.

Only values that differ from their defaults count: nobody has asked for the others. What the
schema can refuse is refused there (`api/rules.py`); here is what depends on the installation, on
the versions that serve, or on another setting that may be changed later.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from recommender_contract.resource.export import Variant
from recommender_contract.resource.hyperparameters import Retrieval
from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.spec import (
    Algorithm,
    Provider,
    RecommenderModelSpec,
    RetrainMode,
    TrafficMode,
)
from recommender_operator.api.spec_experiment import OF_GROUP, ExperimentMetric
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import Platform
from recommender_operator.status import unserved_features

#: Maximum number of characters of a value in the message.
MAX_VALUE = 60
#: Settings of the reports of served versions, and of what is decided with them.
BY_COLLECTOR = (
    "events.impressions",
    "events.exploration",
    "events.holdout",
    "rollout.experiment",
    "rollout.interleaving",
)
#: Settings of what served versions read in the store.
BY_STORE = ("events.hide", "events.trending", "serving.callers.trusted")
#: Hyperparameters of the ranker alone; the others are also those of the towers.
OF_THE_RANKER = ("learningRate", "batchSize", "epochs", "patience")
Spec = RecommenderModelSpec


@dataclasses.dataclass(frozen=True)
class Requirement:
    """Value of another setting without which some fields have no effect."""

    fields: tuple[str, ...]
    needed: str
    is_met: Callable[[Spec], bool]


def _is_deep(spec: Spec) -> bool:
    return spec.training.algorithm is Algorithm.DEEP_RANKER


def _has(*metrics: ExperimentMetric) -> Callable[[Spec], bool]:
    def is_met(spec: Spec) -> bool:
        plan = spec.rollout.experiment
        return plan is None or not plan.metrics.isdisjoint(metrics)

    return is_met


def _is_gateway(spec: Spec) -> bool:
    return spec.rollout.traffic is TrafficMode.GATEWAY


_HYPERPARAMETERS = "training.hyperparameters"
REQUIREMENTS = (
    Requirement(
        (
            *(f"{_HYPERPARAMETERS}.{name}" for name in OF_THE_RANKER),
            "training.warmStart",
            "training.export.variants",
            "evaluation.onFailure",
        ),
        "training.algorithm DeepRanker",
        _is_deep,
    ),
    Requirement(
        (f"{_HYPERPARAMETERS}.retrievalLoss", f"{_HYPERPARAMETERS}.itemIndex"),
        f"{_HYPERPARAMETERS}.retrieval TwoTower or Both",
        lambda spec: spec.training.hyperparameters.retrieval is not Retrieval.WEIGHTS,
    ),
    Requirement(
        (f"{_HYPERPARAMETERS}.itemWeights",),
        f"{_HYPERPARAMETERS}.retrieval Weights or Both",
        lambda spec: spec.training.hyperparameters.retrieval is not Retrieval.TWO_TOWER,
    ),
    Requirement(
        ("training.export.keep",),
        "Pruned in training.export.variants",
        lambda spec: Variant.PRUNED in spec.training.export.variants,
    ),
    Requirement(
        tuple(f"training.export.{name}" for name in ("maxAucLoss", "maxNdcgLoss", "minSaving")),
        "training.export.variants",
        lambda spec: bool(spec.training.export.variants),
    ),
    Requirement(
        ("rollout.analysis.prometheusUrl",),
        "rollout.analysis.provider Prometheus",
        lambda spec: spec.rollout.analysis.provider is Provider.PROMETHEUS,
    ),
    Requirement(
        ("rollout.experiment.slowerThanMilliseconds",),
        "the metric SlowShare in rollout.experiment.primary or rollout.experiment.guardrails",
        _has(ExperimentMetric.SLOW_SHARE),
    ),
    Requirement(
        ("rollout.experiment.itemGroup",),
        f"the metric {' or '.join(OF_GROUP)} in rollout.experiment.primary or "
        "rollout.experiment.guardrails",
        _has(*OF_GROUP),
    ),
    Requirement(
        ("retrain.afterSnapshots",),
        "retrain.mode Propose or Auto",
        lambda spec: spec.retrain.mode is not RetrainMode.MANUAL,
    ),
    Requirement(
        (
            "serving.transformerReplicas",
            "serving.autoscaling.targetCPUUtilizationPercentage",
        ),
        "rollout.traffic Gateway, as Knative runs both containers in one pod and scales it itself",
        _is_gateway,
    ),
)


def set_settings_applied(ctx: Context, out: Outcome) -> None:
    """Set SettingsApplied to all that has no effect; its reason is the first one."""
    given = ctx.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    found = list(_without(ctx, given))
    if not found:
        message = f"every setting of the spec has an effect{_default_hiding(ctx)}"
        out.condition(ConditionType.SETTINGS_APPLIED, "True", Reason.APPLIED, message)
        return
    reason, message = found[0][0], ". ".join(message for _, message in found)
    if out.condition(ConditionType.SETTINGS_APPLIED, "False", reason, message):
        out.warn(reason, message)


def _without(ctx: Context, given: Mapping[str, Any]) -> Iterator[tuple[Reason, str]]:
    platform, namespace = ctx.observed.platform, ctx.model.namespace
    for fields, there, what in (
        (BY_COLLECTOR, platform.collector, "collector"),
        (BY_STORE, platform.store, "store"),
    ):
        named = shown(given, fields)
        why = _why_not(platform, namespace, there=there, what=what) if named else ""
        if why:
            yield Reason.NO_COLLECTOR, f"{named}: no effect, because {why}, or remove the setting"
    for message in unserved_features.lacking(ctx):
        yield Reason.FEATURE_NOT_SERVED, message
    for requirement in REQUIREMENTS:
        named = shown(given, requirement.fields)
        if named and not requirement.is_met(ctx.spec):
            yield (
                Reason.NO_EFFECT,
                f"{named}: no effect without {requirement.needed}: set that, or remove the "
                "setting",
            )


def _why_not(platform: Platform, namespace: str, *, there: bool, what: str) -> str:
    """Return why a namespace has no collector or store, with the remedy; empty if it has one."""
    if not there:
        remedies = {
            "collector": "the installation has no collector: set collector.enabled in the chart",
            "store": "the installation gives served versions no store to read: set "
            "collector.enabled in the chart",
        }
        return remedies[what]
    if platform.collector_namespace != namespace:
        return (
            f"the collector knows the models of namespace {platform.collector_namespace} only: "
            "create the model there"
        )
    return ""


def _default_hiding(ctx: Context) -> str:
    """Return the missing requirements of the default of `events.hide`."""
    platform, given = ctx.observed.platform, ctx.spec.events.hide
    why = _why_not(platform, ctx.model.namespace, there=platform.store, what="store")
    if given is not None or not why:
        return ""
    return f"; answers leave out only items of the session, because {why}"


def shown(given: Mapping[str, Any], fields: Sequence[str]) -> str:
    """Return the fields that are set, with their values."""
    found = ((field, _value(given, field)) for field in fields)
    return ", ".join(
        f"{field} {_text(value)}" for field, value in found if value not in (None, [])
    )


def _value(given: Mapping[str, Any], field: str) -> Any:
    """Return the value of a field; None if it has its default."""
    value: Any = given
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"
