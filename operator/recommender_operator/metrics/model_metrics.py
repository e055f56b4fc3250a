"""The metrics of a model that become gauges of the operator: pure.

They come from the objects' status after a pass, so they survive a restart of the operator, and
what a person reads with kubectl is what an alert compares. Each pass replaces all figures of its
model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from recommender_operator.actions import Decision, DeleteVersion, UpdateVersion
from recommender_operator.api.status import DriftStatus
from recommender_operator.api.status_holdout import HoldoutStatus
from recommender_operator.api.version import TERMINAL, GateResult, MetricVerdict, VersionStage
from recommender_operator.api.version_experiment import ExperimentStatus, MetricComparison
from recommender_operator.context import routing
from recommender_operator.observed import Observed, VersionObject

#: Maximum number of versions of a model with metrics: the champion and the newest others.
MAX_VERSIONS = 4

VERSION = ("version",)
METRIC = (*VERSION, "metric")
COMPARED = (*METRIC, "role")
#: `version` is the candidate of the experiment, `arm` a further version of it.
ARM = (*VERSION, "arm")
ARM_COMPARED = (*ARM, "metric", "role")
#: Name without prefix, to help text and labels in addition to namespace and model.
FAMILIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "champion": ("Always 1; the label names the champion.", VERSION),
    "version_stage": ("Always 1; the label has the stage.", (*VERSION, "stage")),
    "wanted_weight_percent": ("Percent of requests that a version should receive.", VERSION),
    "interruptions": ("Interruptions of the rollout, by kind.", (*VERSION, "kind")),
    "interruptions_limit": ("Interruptions that a rollout may have.", ()),
    "standby_active": (
        "1 while the standby answers in place of the champion.", (*VERSION, "standby")),
    "standby_takeovers": ("Takeovers by the standby in a row.", VERSION),
    "step_verdict": ("Always 1; the label has the verdict of the last step.",
                     (*VERSION, "verdict")),
    "step_started_timestamp_seconds": ("Start of the last step.", VERSION),
    "analysis_value": ("Value of a metric in the last step.", METRIC),
    "analysis_stable_value": ("Value of the stable version in the last step.", METRIC),
    "analysis_lower": ("Lower end of the interval of a value.", METRIC),
    "analysis_upper": ("Upper end of the interval of a value.", METRIC),
    "analysis_limit": ("Limit of a metric.", METRIC),
    "analysis_samples": ("Requests or sessions that a value is based on.", METRIC),
    "analysis_verdict": ("Always 1; the label has the verdict.", (*METRIC, "verdict")),
    "experiment_verdict": ("Always 1; the label has the verdict of the experiment.",
                           (*VERSION, "verdict")),
    "experiment_users": ("Measured users of both versions.", VERSION),
    "experiment_planned_users": ("Users that the plan of the experiment requires.", VERSION),
    "experiment_mixed_users": ("Users that were assigned to both versions.", VERSION),
    "experiment_disagreements": ("Answers of another version than the user's.", VERSION),
    "experiment_sample_ratio_p": (
        "p-value that the numbers of users fit the shares.", VERSION),
    "experiment_value": ("Value of a metric over the candidate's users.", COMPARED),
    "experiment_champion_value": ("Value of a metric over the champion's users.", COMPARED),
    "experiment_difference": ("Relative difference of the candidate.", COMPARED),
    "experiment_lower": ("Lower end of the interval of the difference.", COMPARED),
    "experiment_upper": ("Upper end of the interval of the difference.", COMPARED),
    "experiment_limit": ("Smallest effect, or largest loss, of the plan.", COMPARED),
    "experiment_arm_users": ("Measured users of a further version.", ARM),
    "experiment_arm_disagreements": (
        "Answers of another version to users of a further version.", ARM),
    "experiment_arm_withdrawn": ("1 if a further version takes no part, or no longer does.", ARM),
    "experiment_arm_result": ("Always 1; the label has the result of a further version.",
                              (*ARM, "result")),
    "experiment_arm_value": ("Value of a metric over the users of a further version.",
                             ARM_COMPARED),
    "experiment_arm_champion_value": ("Value that a further version is compared with.",
                                      ARM_COMPARED),
    "experiment_arm_difference": ("Relative difference of a further version.", ARM_COMPARED),
    "experiment_arm_lower": ("Lower end of the interval of the difference.", ARM_COMPARED),
    "experiment_arm_upper": ("Upper end of the interval of the difference.", ARM_COMPARED),
    "experiment_arm_limit": ("Smallest effect, or largest loss, of the plan.", ARM_COMPARED),
    "holdout_users": ("Measured users of the holdout.", ()),
    "holdout_other_users": ("Measured users outside of the holdout.", ()),
    "holdout_value": ("Value of a metric over the holdout.", ("metric",)),
    "holdout_others_value": ("Value of a metric over the other users.", ("metric",)),
    "holdout_difference": ("Relative difference of the others to the holdout.", ("metric",)),
    "holdout_lower": ("Lower end of the interval of the difference.", ("metric",)),
    "holdout_upper": ("Upper end of the interval of the difference.", ("metric",)),
    "gate_value": ("Value of an offline metric with a gate.", METRIC),
    "gate_lower": ("Lower end of the 95 % interval of an offline metric.", METRIC),
    "gate_upper": ("Upper end of the 95 % interval of an offline metric.", METRIC),
    "gate_minimum": ("Minimum of a gate.", METRIC),
    "gate_maximum": ("Maximum of a gate.", METRIC),
    "gate_passed": ("1 if all requirements of the gate are met.", METRIC),
    "drift_verdict": ("Always 1; the label has the verdict of the last window.", ("verdict",)),
    "drift_effect": ("Effect of a feature in the last window.", ("feature",)),
    "drift_effect_limit": ("Effect from which a significant shift counts.", ("feature",)),
    "drift_windows": ("Windows in a row with a shift.", ()),
    "drift_break_windows": ("Windows in a row with a break of the candidate alone.", ()),
    "drift_segment_shifts": ("Features that shifted inside a segment, by the last snapshot.", ()),
    "drift_label_windows": (
        "Windows in a row in which the loss rose or the calibration drifted, by labels.", ()),
    "drift_label_segment_loss": (
        "Log loss of a segment in the last window, by labels.", ("feature", "value")),
    "drift_label_segment_reference_loss": (
        "Log loss of a segment in the champion's first week.", ("feature", "value")),
    "drift_label_segment_windows": (
        "Windows in a row in which a segment drifted, by labels.", ("feature", "value")),
    "drift_windows_limit": ("Windows in a row that count as drift, or as a break.", ()),
}  # fmt: skip


class ModelMetric(NamedTuple):
    """A gauge: the name of its family, the values of its labels, and its value."""

    family: str
    labels: tuple[str, ...]
    value: float


def model_metrics_of(observed: Observed, decision: Decision) -> tuple[ModelMetric, ...]:
    """Return the metrics of a model after a decision; the last of the same labels counts."""
    model, status = observed.model, decision.status
    found = [
        ModelMetric("interruptions_limit", (), model.spec.rollout.analysis.max_interruptions),
        *_drift(status.drift, model.spec.retrain.drift.consecutive_windows),
    ]
    if status.holdout is not None:
        found += _holdout(status.holdout)
    versions = _after(observed.versions, decision)
    for version in _shown(versions, status.champion):
        found += _version(version)
        if version.name == status.champion:
            found.append(ModelMetric("champion", (version.name,), 1))
    found += _shares(versions)
    return tuple({(metric.family, metric.labels): metric for metric in found}.values())


def _after(versions: Iterable[VersionObject], decision: Decision) -> list[VersionObject]:
    """Return the versions as the decision leaves them."""
    by_name = {version.name: version for version in versions}
    for action in decision.actions:
        if isinstance(action, DeleteVersion):
            by_name.pop(action.name, None)
        elif isinstance(action, UpdateVersion) and action.name in by_name:
            by_name[action.name] = dataclasses.replace(by_name[action.name], status=action.status)
    return list(by_name.values())


def _shown(versions: Iterable[VersionObject], champion: str | None) -> list[VersionObject]:
    """Return the champion and the newest others, at most MAX_VERSIONS in total."""

    def rank(version: VersionObject) -> tuple[bool, bool, int, str]:
        status = version.status
        ended = status.decision.sequence if status.decision is not None else 0
        newest = max(status.promotion, status.rollout, status.data_read, ended)
        return (version.name == champion, status.stage not in TERMINAL, newest, version.name)

    return sorted(versions, key=rank, reverse=True)[:MAX_VERSIONS]


def _shares(versions: Iterable[VersionObject]) -> Iterator[ModelMetric]:
    """Yield the percent of the further versions, and of the version that passes it on to them."""
    weights = {version.name: version.status.weight for version in versions}
    for version in versions:
        experiment, canary = version.status.experiment, version.status.stage is VersionStage.CANARY
        phase = routing.running(experiment) if canary else None
        if phase is None:
            continue
        shares = routing.shares_of_further(experiment)
        for name, percent in shares.items():
            yield ModelMetric("wanted_weight_percent", (name,), percent)
        if phase.stable in weights and shares:
            left = max(0, weights[phase.stable] - sum(shares.values()))
            yield ModelMetric("wanted_weight_percent", (phase.stable,), left)


def _version(version: VersionObject) -> Iterator[ModelMetric]:
    status, name = version.status, version.name
    yield ModelMetric("version_stage", (name, status.stage.value), 1)
    yield ModelMetric("wanted_weight_percent", (name,), status.weight)
    yield ModelMetric("interruptions", (name, "restart"), status.interruptions.restarts)
    yield ModelMetric("interruptions", (name, "withdrawal"), status.interruptions.withdrawals)
    if (standby := status.standby) is not None:
        yield ModelMetric("standby_active", (name, standby.version), standby.active)
        yield ModelMetric("standby_takeovers", (name,), standby.count)
    # Several gates may have the same metric: the last counts.
    for gate in sorted(status.gates, key=lambda gate: not gate.passed):
        yield from _gate(name, gate)
    if status.steps:
        last = status.steps[-1]
        yield ModelMetric("step_verdict", (name, last.verdict), 1)
        started = last.started_at.timestamp()
        yield ModelMetric("step_started_timestamp_seconds", (name,), started)
        for metric in last.metrics:
            yield from _metric(name, metric)
    if status.experiment is not None:
        yield from _experiment(name, status.experiment)


def _experiment(version: str, seen: ExperimentStatus) -> Iterator[ModelMetric]:
    for arm in seen.arms:
        # Known before the first numbers: a version that cannot serve is left out at once.
        yield ModelMetric("experiment_arm_withdrawn", (version, arm.version), bool(arm.withdrawn))
    if not seen.verdict:
        return
    yield ModelMetric("experiment_verdict", (version, seen.verdict), 1)
    values = {
        "experiment_users": seen.users,
        "experiment_planned_users": seen.planned_users,
        "experiment_mixed_users": seen.mixed,
        "experiment_disagreements": seen.disagreed,
        "experiment_sample_ratio_p": seen.sample_ratio_p,
    }
    yield from _known(values, (version,))
    yield from _compared("experiment", (version,), seen.metrics)
    for arm in seen.arms:
        labels = (version, arm.version)
        yield ModelMetric("experiment_arm_users", labels, arm.users)
        yield ModelMetric("experiment_arm_disagreements", labels, arm.disagreed)
        if arm.result:
            yield ModelMetric("experiment_arm_result", (*labels, arm.result), 1)
        yield from _compared("experiment_arm", labels, arm.metrics)


def _compared(
    family: str, labels: tuple[str, ...], metrics: Iterable[MetricComparison]
) -> Iterator[ModelMetric]:
    for each in metrics:
        values = {
            f"{family}_value": each.candidate,
            f"{family}_champion_value": each.champion,
            f"{family}_difference": each.difference,
            f"{family}_lower": each.low,
            f"{family}_upper": each.high,
            f"{family}_limit": each.limit,
        }
        yield from _known(values, (*labels, each.metric, each.role))


def _metric(version: str, metric: MetricVerdict) -> Iterator[ModelMetric]:
    labels = (version, metric.metric)
    values = {
        "analysis_value": metric.value,
        "analysis_stable_value": metric.stable_value,
        "analysis_lower": metric.low,
        "analysis_upper": metric.high,
        "analysis_limit": metric.limit,
        "analysis_samples": metric.sample_size,
    }
    yield from _known(values, labels)
    yield ModelMetric("analysis_verdict", (*labels, metric.verdict), 1)


def _gate(version: str, gate: GateResult) -> Iterator[ModelMetric]:
    values = {
        "gate_value": gate.value,
        "gate_lower": gate.low,
        "gate_upper": gate.high,
        "gate_minimum": gate.minimum,
        "gate_maximum": gate.maximum,
        "gate_passed": float(gate.passed),
    }
    yield from _known(values, (version, gate.metric))


def _drift(drift: DriftStatus, limit: int) -> Iterator[ModelMetric]:
    yield ModelMetric("drift_verdict", (drift.verdict,), 1)
    yield ModelMetric("drift_windows", (), drift.breaches_in_a_row)
    yield ModelMetric("drift_break_windows", (), drift.candidate_breaks_in_a_row)
    if (seen := drift.segments) is not None and not seen.message:
        yield ModelMetric("drift_segment_shifts", (), len(seen.shifts) + seen.more)
    if drift.labels is not None:
        yield ModelMetric("drift_label_windows", (), drift.labels.breaches_in_a_row)
        for each in drift.labels.segments:
            labels = (each.feature, each.value or "")
            yield ModelMetric("drift_label_segment_loss", labels, each.log_loss)
            yield ModelMetric(
                "drift_label_segment_reference_loss", labels, each.reference_log_loss
            )
            yield ModelMetric("drift_label_segment_windows", labels, each.breaches_in_a_row)
    yield ModelMetric("drift_windows_limit", (), limit)
    for shift in drift.effects:
        yield ModelMetric("drift_effect", (shift.feature,), shift.effect)
        yield ModelMetric("drift_effect_limit", (shift.feature,), shift.limit)


def _holdout(seen: HoldoutStatus) -> Iterator[ModelMetric]:
    yield ModelMetric("holdout_users", (), seen.users)
    yield ModelMetric("holdout_other_users", (), seen.other_users)
    for gain in seen.gains:
        values = {
            "holdout_value": gain.holdout,
            "holdout_others_value": gain.others,
            "holdout_difference": gain.difference,
            "holdout_lower": gain.low,
            "holdout_upper": gain.high,
        }
        yield from _known(values, (gain.metric,))


def _known(values: Mapping[str, float | None], labels: tuple[str, ...]) -> Iterator[ModelMetric]:
    for family, value in values.items():
        if value is not None:
            yield ModelMetric(family, labels, value)
