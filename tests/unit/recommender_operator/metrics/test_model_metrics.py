"""The gauges of models: complete, bounded in number, and gone with what they describe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from recommender_contract.job_reports import SegmentShift, SegmentShifts
from recommender_operator.actions import DeleteVersion, UpdateVersion
from recommender_operator.adapters.kinds import MODELS, VERSIONS
from recommender_operator.api.spec_experiment import MAX_FURTHER
from recommender_operator.api.status import (
    DriftStatus,
    FeatureEffect,
)
from recommender_operator.api.status_labels import LabelDriftStatus, LabelSegment
from recommender_operator.api.version import (
    GateResult,
    MetricVerdict,
    ModelVersionStatus,
    Standby,
    StepRecord,
    VersionStage,
)
from recommender_operator.metrics import model_metrics
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.observed import Observed
from tests.fakes.kube import NOW
from tests.fakes.objects import add_model
from tests.unit.recommender_operator.metrics.metric_samples import (
    EXPERIMENTS,
    NAMES,
    NUMBERS,
    decided,
    shown,
    version,
)
from tests.unit.recommender_operator.operator_rig import KEY, Rig
from tests.unit.recommender_operator.resources import builder_inputs
from tests.unit.recommender_operator.started_worlds import in_canary
from tests.unit.recommender_operator.world import World

METRICS = st.lists(
    st.builds(
        MetricVerdict,
        metric=st.sampled_from(["successRate", "fallbackShare", "anomalyShare"]),
        verdict=st.sampled_from(["Pass", "Fail", "Inconclusive", "Error"]),
        value=NUMBERS, low=NUMBERS, high=NUMBERS, limit=NUMBERS, stable_value=NUMBERS,
        threshold=st.just("t"), sample_size=st.integers(0, 1000), message=st.just(""),
    ),
    max_size=20,
)  # fmt: skip
STATUSES = st.builds(
    ModelVersionStatus,
    experiment=st.none() | EXPERIMENTS,
    stage=st.sampled_from(VersionStage),
    rollout=st.integers(0, 50),
    weight=st.integers(0, 100),
    gates=st.lists(
        st.builds(
            GateResult,
            metric=st.sampled_from(["auc", "logLoss"]),
            value=NUMBERS, low=NUMBERS, high=NUMBERS, minimum=NUMBERS, maximum=NUMBERS,
            threshold=st.just("t"), passed=st.booleans(), message=st.just(""),
        ),
        max_size=20,
    ).map(tuple),
    steps=METRICS.map(
        lambda m: (StepRecord(weight=10, started_at=NOW, metrics=tuple(m)),)
    ),
)  # fmt: skip


def most() -> int:
    """Return the maximum number of series of a model."""
    per_metric = 20 * sum("analysis_" in name for name in model_metrics.FAMILIES)
    per_gate = 20 * sum("gate_" in name for name in model_metrics.FAMILIES)
    per_compared = 10 * sum("experiment_" in name for name in model_metrics.FAMILIES)
    per_compared += (
        (MAX_FURTHER - 1) * 10 * sum("_arm_" in name for name in model_metrics.FAMILIES)
    )
    of_features = 2 * 20
    return (
        model_metrics.MAX_VERSIONS * (per_metric + per_gate + per_compared + 10) + of_features + 10
    )


@given(st.lists(STATUSES, max_size=12), st.data())
def test_any_state_has_a_bounded_number_of_series_and_a_deleted_model_none(
    statuses: list[ModelVersionStatus], data: st.DataObject
) -> None:
    versions = [version(name, status) for name, status in zip(NAMES, statuses, strict=False)]
    champion = data.draw(st.none() | st.sampled_from(NAMES))
    observed = Observed(model=builder_inputs.model(), versions=tuple(versions))
    metrics = Metrics()
    # Set twice: figures of an earlier look do not stay.
    metrics.set_model_metrics(
        observed.model, model_metrics.model_metrics_of(observed, decided(champion=champion))
    )
    metrics.set_model_metrics(
        observed.model, model_metrics.model_metrics_of(observed, decided(champion=champion))
    )
    page = generate_latest(metrics.registry).decode()
    of_model = [
        s
        for family in text_string_to_metric_families(page)
        for s in family.samples
        if s.labels.get("model") == "movies"
    ]
    different = {(s.name, *sorted(s.labels.items())) for s in of_model}
    assert len(of_model) == len(different) <= most()
    names = {s.labels["version"] for s in of_model if "version" in s.labels}
    assert len(names) <= model_metrics.MAX_VERSIONS
    if champion in {v.name for v in versions}:
        assert champion in names
    metrics.forget("team", "movies")
    assert 'model="movies"' not in generate_latest(metrics.registry).decode()


def test_a_deleted_version_has_no_series() -> None:
    first, second = (version(name, ModelVersionStatus(weight=50)) for name in NAMES[:2])
    kept = shown([first, second], DeleteVersion(name=first.name))
    assert {labels[0] for family, labels in kept if family == "version_stage"} == {second.name}


def test_the_figures_are_those_that_the_decision_writes() -> None:
    (name,) = NAMES[:1]
    after = ModelVersionStatus(stage=VersionStage.CANARY, weight=25)
    found = shown([version(name, ModelVersionStatus())], UpdateVersion(name=name, status=after))
    assert found["version_stage", (name, "Canary")] == 1
    assert found["wanted_weight_percent", (name,)] == 25


def test_the_newest_versions_and_the_champion_are_shown() -> None:
    old = [
        version(name, ModelVersionStatus(stage=VersionStage.FAILED, data_read=number))
        for number, name in enumerate(NAMES)
    ]
    found = shown(old, champion=NAMES[0])
    names = {labels[0] for family, labels in found if family == "version_stage"}
    assert names == {NAMES[0], *NAMES[-3:]}
    assert found["champion", (NAMES[0],)] == 1


def test_a_gate_that_occurs_twice_has_passed_only_if_both_have() -> None:
    gates = tuple(
        GateResult(metric="auc", value=0.7, threshold="t", passed=passed)
        for passed in (False, True)
    )
    found = shown([version(NAMES[0], ModelVersionStatus(gates=gates))])
    assert found["gate_passed", (NAMES[0], "auc")] == 0


def test_a_takeover_and_the_effects_of_a_drift_are_shown() -> None:
    status = ModelVersionStatus(standby=Standby(version="movies-old", since=NOW, count=2))
    drift = DriftStatus(
        verdict="Fail",
        breaches_in_a_row=1,
        effects=(FeatureEffect(feature="age", effect=0.3, limit=0.1),),
    )
    found = shown([version(NAMES[0], status)], drift=drift)
    assert found["standby_active", (NAMES[0], "movies-old")] == 1
    assert found["standby_takeovers", (NAMES[0],)] == 2
    assert found["drift_effect", ("age",)] == 0.3
    assert found["drift_effect_limit", ("age",)] == 0.1
    assert found["drift_windows", ()] == 1
    assert ("drift_label_windows", ()) not in found


def test_windows_in_which_labels_drifted_are_shown() -> None:
    labels = LabelDriftStatus(verdict="Fail", message="", breaches_in_a_row=3)
    found = shown([version(NAMES[0], ModelVersionStatus())], drift=DriftStatus(labels=labels))
    assert found["drift_label_windows", ()] == 3
    assert ("drift_label_segment_loss", ("device", "tablet")) not in found


def test_features_that_shifted_inside_segments_are_counted() -> None:
    shift = SegmentShift(feature="bitrate", segment="device", value="tv", message="m")
    seen = SegmentShifts(compared_with="7-abc", segments=4, shifts=(shift,), more=2)
    found = shown([version(NAMES[0], ModelVersionStatus())], drift=DriftStatus(segments=seen))
    assert found["drift_segment_shifts", ()] == 3
    failed = seen.model_copy(update={"message": "no such version"})
    found = shown([version(NAMES[0], ModelVersionStatus())], drift=DriftStatus(segments=failed))
    assert ("drift_segment_shifts", ()) not in found


def test_segments_of_labels_are_shown_with_what_they_are_compared_with() -> None:
    tablet = LabelSegment(
        feature="device", value="tablet", users=900, log_loss=0.71, reference_log_loss=0.52,
        breaches_in_a_row=3, message="",
    )  # fmt: skip
    others = tablet.model_copy(update={"value": None})
    labels = LabelDriftStatus(verdict="Pass", message="", segments=(tablet, others))
    found = shown([version(NAMES[0], ModelVersionStatus())], drift=DriftStatus(labels=labels))
    assert found["drift_label_segment_loss", ("device", "tablet")] == 0.71
    assert found["drift_label_segment_reference_loss", ("device", "tablet")] == 0.52
    assert found["drift_label_segment_windows", ("device", "tablet")] == 3
    assert found["drift_label_segment_loss", ("device", "")] == 0.71


def test_during_a_rollout_each_metric_has_value_interval_limit_and_verdict() -> None:
    world: World = in_canary()
    world.watch(60)
    found = model_metrics.model_metrics_of(world.observe(), world.reconcile())
    candidate = world.status.candidate
    by_metric: dict[str, set[str]] = {}
    for figure in found:
        if figure.labels[:1] == (candidate,) and figure.family.startswith("analysis_"):
            by_metric.setdefault(figure.labels[1], set()).add(figure.family)
    assert len(by_metric) >= 4
    needed = {f"analysis_{part}" for part in ("value", "lower", "limit", "samples", "verdict")}
    for metric, families in by_metric.items():
        assert needed <= families, metric


async def test_a_look_sets_the_series_of_its_model_and_its_deletion_removes_them() -> None:
    rig = Rig()
    add_model(rig.kube)
    for _ in range(3):
        await rig.reconciler.reconcile(KEY)
    (name,) = rig.kube.names(VERSIONS)
    labels = {"namespace": "team", "model": "movies", "version": name, "stage": "CheckingData"}
    assert rig.metric("version_stage", **labels) == 1
    del rig.kube.objects[MODELS, "team", "movies"]
    await rig.reconciler.reconcile(KEY)
    assert rig.metric("version_stage", **labels) is None


@pytest.mark.parametrize("family", sorted(model_metrics.FAMILIES))
def test_every_family_follows_the_conventions(family: str) -> None:
    text, labels = model_metrics.FAMILIES[family]
    assert text.endswith(".")
    assert not family.endswith("_total"), "gauges only"
    assert not set(labels) & {"namespace", "model", "le", "job", "instance", "pod"}
