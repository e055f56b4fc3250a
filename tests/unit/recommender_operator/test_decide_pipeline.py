"""Data check, training, gates, publication and smoke inference, before a version gets requests."""

from __future__ import annotations

import dataclasses

import pytest

from recommender_contract.job_reports import SearchResult
from recommender_operator.api.version import VersionStage
from recommender_operator.observed import JobKind, JobState
from tests.unit.recommender_operator.simulation.cluster import BAD, GOOD
from tests.unit.recommender_operator.started_worlds import promoted_first
from tests.unit.recommender_operator.world import World

FOUND = {"sampler": "TPE", "trials": 20, "bestTrial": 4, "bestLogLoss": 0.5}


def test_the_result_of_a_search_is_in_the_version_until_it_is_trained_again() -> None:
    world = World(odd_reports={JobKind.TRAIN: {"search": FOUND}})
    world.metrics[17] = BAD
    world.settle()
    (version,) = world.versions.values()
    assert version.status.search == SearchResult.model_validate(FOUND)
    world.odd_reports.clear()
    world.metrics[17] = GOOD
    world.annotations["retry"] = "1"
    world.settle()
    assert world.stages() == {17: "Promoted"}
    assert world.versions[world.stable()].status.search is None


def test_a_version_that_fails_a_gate_is_never_served() -> None:
    world = promoted_first()
    world.metrics[2] = BAD
    world.seed(2)
    world.settle()
    assert world.second_stage == "Rejected"
    assert world.condition("GatesPassed") == ("False", "GateFailed")
    assert "auc 0.5, required: at least 0.6" in world.message("GatesPassed")
    assert len(world.services) == 1


def test_a_metric_that_is_not_a_number_fails_its_gate_and_is_reported() -> None:
    world = World()
    world.metrics[17] = {"auc": float("nan"), "logLoss": None}
    world.settle()
    assert world.stages() == {17: "Rejected"}
    assert "auc was not measured" in world.message("GatesPassed")


def test_a_version_that_answers_badly_is_stopped_before_it_gets_requests() -> None:
    world = promoted_first()
    world.smoke_fails.add(2)
    world.seed(2)
    world.settle()
    assert world.second_stage == "Rejected"
    assert world.condition("Progressing") == ("False", "SmokeFailed")
    assert len(world.services) == 1


def test_a_failed_training_names_reason_and_log_and_the_champion_keeps_serving() -> None:
    world = promoted_first()
    world.seed(2)
    for _ in range(3):
        world.reconcile()
        world.fail_job(JobKind.TRAIN, "OOMKilled", "Killed: needs 9 GiB")
        world.finish_jobs()
    world.settle()
    assert world.stages() == {17: "Promoted", 2: "Failed"}
    assert world.condition("Trained") == ("False", "OOMKilled")
    assert "Killed: needs 9 GiB" in world.message("Trained")
    assert world.condition("Available") == ("True", "Serving")
    world.annotations["retry"] = "1"
    world.settle()
    assert world.second_stage == "Promoted"
    assert world.versions[world.stable()].status.attempt == 1


@pytest.mark.parametrize(
    ("kind", "field", "value", "reason"),
    [
        (JobKind.CHECK, "dataVersion", "", "InvalidReport"),
        (JobKind.TRAIN, "dataVersion", "8-other", "DataVersionMismatch"),
        (JobKind.TRAIN, "digest", "none", "InvalidReport"),
        (JobKind.PUBLISH, "digest", "sha256:" + "f" * 64, "DigestMismatch"),
    ],
)
def test_a_report_with_other_data_than_checked_fails_the_version(
    kind: JobKind, field: str, value: str, reason: str
) -> None:
    world = World(odd_reports={kind: {field: value}})
    for _ in range(10):
        world.reconcile()
        world.finish_jobs()
    assert world.stages() == {17: "Failed"}
    assert world.condition("Progressing") == ("False", reason)
    assert world.services == {}


def test_nothing_is_published_while_a_folder_is_being_removed() -> None:
    world = promoted_first()
    removal = (JobKind.REMOVE, world.stable(), 0)
    world.jobs[removal] = JobState(
        kind=JobKind.REMOVE, version=world.stable(), attempt=0, phase="Running"
    )
    world.seed(2)
    for _ in range(10):
        world.reconcile()
        world.finish_jobs()
        world.jobs[removal] = dataclasses.replace(world.jobs[removal], phase="Running")
    assert world.second_stage == "Publishing"
    assert not any(
        x.kind is JobKind.PUBLISH and x.version != world.stable() for x in world.jobs.values()
    )
    world.settle()
    assert world.second_stage == "Promoted"


def test_a_failed_data_check_is_repeated_with_increasing_pauses() -> None:
    world = World()
    world.reconcile()
    world.reconcile()
    world.fail_job(JobKind.CHECK, "TooFewRows", "12 rows, 1000 asked")
    world.reconcile()
    assert world.condition("DataValid") == ("False", "TooFewRows")
    assert world.stages() == {17: "Failed"}
    world.watch(299)
    assert not world.reconcile().actions
    world.tick(1)
    world.reconcile()
    assert world.stages() == {17: "CheckingData"}
    assert world.condition("DataValid") == ("False", "TooFewRows"), "forgot before it was cured"
    world.fail_job(JobKind.CHECK, "TooFewRows", "12 rows, 1000 asked")
    world.reconcile()
    world.watch(599)
    assert not world.reconcile().actions
    world.tick(1)
    world.settle()
    assert world.stages() == {17: "Promoted"}


def test_a_training_whose_data_was_erased_checks_again_and_trains_on_the_rest() -> None:
    world = promoted_first()
    world.seed(2)
    for _ in range(3):
        world.reconcile()
        world.fail_job(JobKind.TRAIN, "DataVersionErased", "run `check` for a data version")
        world.finish_jobs()
    world.reconcile()
    assert world.stages() == {17: "Promoted", 2: "Failed"}
    assert world.condition("Trained") == ("False", "DataVersionErased")
    assert world.condition("Available") == ("True", "Serving")
    world.watch(299)
    assert world.second_stage == "Failed"
    world.tick(1)
    world.reconcile()
    assert world.second_stage == "CheckingData"
    world.settle()
    assert world.second_stage == "Promoted"
    assert world.versions[world.stable()].status.attempt == 1


@pytest.mark.parametrize(
    "path",
    [
        "artifacts/movies/0000000000000000",
        "artifacts/films/{digest}",
        "artifacts/movies/{digest}/x",
        "artifacts/movies/./{digest}",
        "artifacts/movies",
        "lake/movies",
    ],
)
def test_an_artifact_published_to_any_other_folder_than_its_own_fails(path: str) -> None:
    world = World()
    world.reconcile()
    (name,) = world.versions
    reported = path.format(digest=(name[-8:] * 8)[:16])
    world.odd_reports[JobKind.PUBLISH] = {"path": reported}
    world.settle()
    status = world.versions[name].status
    assert (status.stage, status.artifact) == (VersionStage.FAILED, None)
    assert status.decision is not None
    assert status.decision.reason == "InvalidReport"
    assert f"'{reported}'" in status.decision.message
    assert "artifacts/movies/" in status.decision.message


@pytest.mark.parametrize(
    "path",
    ["staging/films/{version}-0", "staging/movies/{version}-1", "staging/movies", "lake/movies"],
)
def test_an_artifact_staged_in_any_other_folder_than_its_own_fails(path: str) -> None:
    world = World()
    world.reconcile()
    (name,) = world.versions
    named = path.format(version=name)
    world.odd_reports[JobKind.TRAIN] = {"stagedPath": named}
    world.settle()
    status = world.versions[name].status
    assert (status.stage, status.staged) == (VersionStage.FAILED, None)
    assert status.decision is not None
    assert status.decision.reason == "InvalidReport"
    assert f"'{named}'" in status.decision.message
    assert f"'staging/movies/{name}-0'" in status.decision.message
