"""The fields that the console reads are those that the operator writes."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any

import pytest

from recommender_console import object_details
from recommender_contract.job_reports import SearchResult, SegmentShift, SegmentShifts
from recommender_operator.api.status import (
    DriftStatus,
    FeatureEffect,
    HandledAction,
    RecommenderModelStatus,
)
from recommender_operator.api.status_labels import LabelDriftStatus, LabelSegment
from recommender_operator.api.version import (
    Artifact,
    GateResult,
    Interruptions,
    Lineage,
    MetricVerdict,
    ModelVersionStatus,
    StepRecord,
    VersionDecision,
)
from recommender_operator.observed import JobKind
from recommender_operator.resources import labels
from recommender_operator.resources.labels import Component
from tests.unit.recommender_console import samples
from tests.unit.recommender_console.samples import NOW
from tests.unit.recommender_operator.resources.builder_inputs import RECALIBRATION

VERSION = ModelVersionStatus(
    artifact=Artifact(path="movies/artifacts/a", digest="sha256:1"),
    staged=Artifact(path="staging/movies/v-1", digest="sha256:1"),
    lineage=Lineage(data_version="v7", data_rows=80000, quarantined_rows=12),
    search=SearchResult(sampler="Tpe", trials=30, best_trial=1, best_log_loss=0.5),
    gates=(
        GateResult(metric="auc", minimum=0.6, threshold="at least 0.6", passed=True),
        GateResult(metric="logLoss", maximum=0.7, threshold="at most 0.7", passed=True),
    ),
    steps=(
        StepRecord(
            weight=10, started_at=NOW,
            metrics=(
                MetricVerdict(metric="successRate", verdict="Pass", limit=0.995, threshold="x"),
                MetricVerdict(metric="other", verdict="Pass", threshold="x"),
            ),
        ),
    ),
    interruptions=Interruptions(restarts=2, withdrawals=1),
    replaced="movies-1",
    decision=VersionDecision(
        outcome="RolledBack", reason="Aborted", message="m", at=NOW, automatic=False
    ),
)  # fmt: skip
MODEL = RecommenderModelStatus(
    drift=DriftStatus(
        windows=3, breaches_in_a_row=2, features=("hour",), verdict="Fail", message="m",
        effects=(FeatureEffect(feature="hour", effect=0.2, limit=0.1),), window_at=NOW,
        labels=LabelDriftStatus(verdict="Pass", message="", segments=(
            LabelSegment(feature="device", value="tablet", users=900, log_loss=0.71,
                         reference_log_loss=0.52, breaches_in_a_row=3, message=""),
            LabelSegment(feature="device", users=9, log_loss=0.5, reference_log_loss=0.5,
                         message=""),
        )),
        segments=SegmentShifts(
            compared_with="7-abc", until=NOW, segments=4, small=2, more=1,
            shifts=(SegmentShift(feature="bitrate", segment="device", value="tv", message="m"),),
        ),
    ),
    handled=(HandledAction(action="abort", token="t", at=NOW, result="Honored"),),
)  # fmt: skip


def body(status: RecommenderModelStatus | ModelVersionStatus) -> dict[str, Any]:
    base = copy.deepcopy(samples.MODEL)
    return {**base, "status": status.dump()}


def test_a_version_is_read_as_the_operator_writes_it() -> None:
    seen = object_details.read_version(body(VERSION))
    assert (seen.artifact_path, seen.artifact_digest) == ("movies/artifacts/a", "sha256:1")
    assert seen.staged_path == "staging/movies/v-1"
    assert (seen.quarantined_rows, seen.trials, seen.replaced) == (12, 30, "movies-1")
    assert (seen.restarts, seen.withdrawals, seen.automatic) == (2, 1, False)
    assert seen.limits == ({"successRate": 0.995},)
    assert seen.bounds == ((0.6, None), (None, 0.7))


def test_the_calibration_of_a_version_is_read_as_the_operator_writes_it() -> None:
    made = RECALIBRATION.dump()
    seen = object_details.read_version({**body(VERSION), "spec": {"recalibration": made}})
    assert seen.recalibrated == object_details.Recalibrated(
        of="movies-89abcdef", slope=0.96, shift=-0.5, ratio=0.65, ratio_after=1.01
    )
    assert object_details.read_version(body(VERSION)).recalibrated is None


def test_a_model_is_read_as_the_operator_writes_it() -> None:
    seen = object_details.read_model(body(MODEL))
    assert seen.drift == object_details.Drift(
        windows=3, breaches_in_a_row=2, verdict="Fail", message="m", shifted=("hour",),
        effects=(object_details.Effect(feature="hour", effect=0.2, limit=0.1),), window_at=NOW,
        segments=(
            object_details.SegmentLoss(name="device: tablet", users=900, loss=0.71, before=0.52,
                                breaches_in_a_row=3),
            object_details.SegmentLoss(name="device: all others", users=9, loss=0.5, before=0.5,
                                breaches_in_a_row=0),
        ),
        by_segment=object_details.SegmentsOfSessions(
            tested=4, small=2, until=NOW, more=1, message="",
            shifts=(
                object_details.ShiftedSegment(
                    feature="bitrate", segment="device: tv", message="m"
                ),
            ),
        ),
    )  # fmt: skip
    assert seen.asked == (object_details.Asked(action="abort", at=NOW, result="Honored"),)


def test_what_is_absent_reads_as_empty() -> None:
    bare = {"metadata": {"name": "movies"}}
    assert object_details.read_model(bare).drift.effects == ()
    assert object_details.read_version(bare).limits == ()


def selected(pod: Mapping[str, str]) -> bool:
    """Whether the selector of the pods of version `v` selects these labels."""
    found = []
    for part in object_details.pods_of("v").split(","):
        key, _, value = part.partition("=")
        if key.endswith("!"):
            found.append(pod.get(key[:-1]) != value)
        else:
            found.append(key[1:] not in pod if key[0] == "!" else pod.get(key) == value)
    return all(found)


def test_the_pods_of_a_version_are_those_that_the_operator_labels() -> None:
    of = functools.partial(labels.of_component, "movies")
    assert selected(of("v", Component.TRANSFORMER))
    assert selected(labels.of_version("movies", "v"))  # in Knative mode
    assert not selected(of("v", Component.PREDICTOR))
    assert not selected(of("w", Component.TRANSFORMER))
    for kind in JobKind:
        assert not selected(labels.of_job("movies", "v", kind, 1)), kind


READY: dict[str, Any] = {
    "metadata": {"name": "p"},
    "status": {"podIP": "10.0.0.7", "conditions": [{"type": "Ready", "status": "True"}]},
}


@pytest.mark.parametrize(
    ("status", "address"),
    [
        ({}, "10.0.0.7"),
        ({"podIP": "fd00::7"}, "fd00::7"),
        ({"podIP": ""}, None),
        ({"podIP": "10.0.0.7/x"}, None),
        ({"podIP": "evil.example"}, None),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, None),
        ({"conditions": []}, None),
    ],
)
def test_only_a_ready_pod_has_an_address(status: dict[str, Any], address: str | None) -> None:
    pod = {**READY, "status": {**READY["status"], **status}}
    assert object_details.read_address(pod) == address


def test_a_pod_that_ends_has_no_address() -> None:
    ending = {**READY, "metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert object_details.read_address(ending) is None
    assert object_details.read_address({"metadata": {}}) is None
