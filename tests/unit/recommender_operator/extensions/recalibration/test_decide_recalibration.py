"""A drift of the calibration gives the champion's network a new calibration; nothing trains."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_contract.resource.recalibration import Recalibration
from recommender_operator import actions as a
from recommender_operator.extensions.recalibration import recalibrated_gates
from recommender_operator.extensions.recalibration.recalibration import Recalibrate
from recommender_operator.extensions.registry import EXTENSIONS
from recommender_operator.observed import CollectorReading, JobKind, VersionObject
from tests.unit.recommender_operator.analysis.label_worlds import Shop
from tests.unit.recommender_operator.drift_worlds import DRIFT, look, serving, settle
from tests.unit.recommender_operator.test_decide_drift_causes import FEWER, SWAPPED, labelled
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import World


def drifted(after: Shop = FEWER, windows: int = 3, **sections: object) -> tuple[World, Oracle]:
    """A model whose champion's calibration has drifted, before the operator knows it."""
    world, oracle = serving(**sections)
    settle(world, oracle)
    labelled(world, after, windows)
    return world, oracle


def made(world: World) -> tuple[VersionObject, Recalibration]:
    """The recalibrated version, and its calibration."""
    found = [each for each in world.versions.values() if each.spec.recalibration is not None]
    assert len(found) == 1, world.summary()
    wanted = found[0].spec.recalibration
    assert wanted is not None
    return found[0], wanted


def jobs_of(world: World, version: str) -> list[JobKind]:
    return [
        each.kind for each in world.log if isinstance(each, a.StartJob) and each.version == version
    ]


def test_the_champion_gets_a_new_calibration_and_nothing_is_trained() -> None:
    world, oracle = drifted()
    first = world.versions[world.stable()]
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "CalibrationDrifted")
    assert world.message("Drifted").endswith(f"Reaction: a recalibration of {first.name} starts")
    assert [e.reason for e in world.events if "recalibration starts" in e.message] == [
        "RecalibrationStarted"
    ]
    settle(world, oracle)
    version, wanted = made(world)
    assert jobs_of(world, version.name) == [JobKind.RECALIBRATE, JobKind.PUBLISH]
    assert world.champion() == version.name != first.name
    assert version.spec.trigger == "Recalibrate: drift of the calibration"
    assert (wanted.of, wanted.labels > 1000, wanted.slope > 0) == (first.name, True, True)
    assert abs(wanted.ratio_after - 1) < abs(wanted.ratio - 1)


def test_without_a_cooldown_it_starts_once() -> None:
    world, oracle = drifted()
    world.edit(retrain={"drift": DRIFT | {"cooldownSeconds": 0}})
    settle(world, oracle)
    version, _ = made(world)
    assert world.champion() == version.name
    assert [e.reason for e in world.events].count("RecalibrationStarted") == 1


def test_what_it_inherits_and_what_its_gates_say() -> None:
    world, oracle = drifted()
    first = world.versions[world.stable()].status
    settle(world, oracle)
    version, wanted = made(world)
    status = version.status
    assert status.metrics == first.metrics
    assert (status.data_read, status.data_read_at) == (first.data_read, first.data_read_at)
    assert status.lineage is not None
    assert first.lineage is not None
    assert status.lineage.recalibrated_from == wanted.of
    assert status.lineage.data_version == first.lineage.data_version
    gain, auc = status.gates
    assert (gain.metric, gain.passed, gain.low) == ("servedLogLossGain", True, wanted.gain_low)
    assert (auc.metric, auc.passed, auc.value) == ("auc", True, 0.8)
    assert wanted.of in auc.message
    assert status.steps, "it is rolled out as any other version"


def test_the_job_reads_the_champion_s_artifact() -> None:
    world, oracle = drifted()
    artifact = world.versions[world.stable()].status.artifact
    assert artifact is not None
    settle(world, oracle)
    (job,) = [
        each
        for each in world.log
        if isinstance(each, a.StartJob) and each.kind is JobKind.RECALIBRATE
    ]
    assert job.inputs == {"source_path": artifact.path, "source_digest": artifact.digest}


def test_a_failed_job_never_touches_the_champion_and_the_next_reaction_retrains() -> None:
    world, oracle = drifted()
    first = world.champion()
    for _ in range(8):
        world.reconcile()
        world.fail_job(JobKind.RECALIBRATE, "RecalibrationFailed", "9 of 256 lists")
        world.tick()
    version, _ = made(world)
    assert version.status.stage == "Failed"
    assert version.status.failure == "9 of 256 lists"
    assert (world.champion(), world.route) == (first, {first: 100})
    assert "(cooldown)" in world.message("Drifted")
    with oracle.speaks():
        world.watch(3700, every=60)
    assert world.status.retrain is not None
    assert world.status.retrain.recalibration is None
    assert "a recalibration cannot fix: its last recalibration" in world.status.retrain.reason
    assert world.champion() == first


def test_a_report_of_another_folder_fails_the_version_only() -> None:
    world, oracle = drifted()
    first = world.champion()
    world.odd_reports[JobKind.RECALIBRATE] = {"stagedPath": "staging/movies/other-0"}
    look(world, oracle, 8)
    version, _ = made(world)
    assert version.status.stage == "Failed"
    assert world.champion() == first


def test_a_recalibration_without_a_gain_is_rejected_and_no_baseline_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, oracle = drifted(evaluation={"onFailure": "DeployBaseline"})
    first = world.champion()
    found = recalibrated_gates.evaluate

    def without_a_gain(made: Recalibration, *rest: Any) -> Any:
        return found(made.model_copy(update={"gain_low": 0.0}), *rest)

    monkeypatch.setattr(recalibrated_gates, "evaluate", without_a_gain)
    look(world, oracle, 10)
    version, _ = made(world)
    assert version.status.stage == "Rejected"
    assert "servedLogLossGain" in world.message("GatesPassed")
    assert len(world.versions) == 2
    assert world.champion() == first


@pytest.mark.parametrize("cause", ["SchemaBreak", "InputShift"])
def test_where_another_cause_retrains_or_freezes_nothing_is_recalibrated(cause: str) -> None:
    world, oracle = drifted()
    shifted = world.status.drift.model_copy(update={"cause": cause, "breaches_in_a_row": 3})
    world.status = world.status.model_copy(update={"drift": shifted})
    look(world, oracle, 1)
    retrain = world.status.retrain
    assert (retrain is None) == (cause == "SchemaBreak")
    assert retrain is None or retrain.recalibration is None
    assert world.condition("Drifted")[0] == "True"


def test_a_calibration_that_mends_nothing_retrains_and_says_why() -> None:
    world, oracle = drifted(Shop(now_young=0.03, now_old=0.0075))
    look(world, oracle, 1)
    assert world.status.retrain is not None
    assert world.status.retrain.recalibration is None
    assert "which a recalibration cannot fix: the odds changed" in world.status.retrain.reason
    assert "a retraining starts, because a recalibration cannot fix it" in world.message("Drifted")


def test_one_window_is_too_few_to_judge_a_calibration_so_it_retrains() -> None:
    world, oracle = serving()
    world.edit(retrain={"drift": DRIFT | {"consecutiveWindows": 1}})
    settle(world, oracle)
    labelled(world, FEWER, 1)
    look(world, oracle, 1)
    assert world.status.retrain is not None
    assert world.status.retrain.recalibration is None
    assert "before the last window" in world.status.retrain.reason


def test_of_a_long_row_only_the_windows_that_the_collector_has_whole_are_fitted() -> None:
    world, oracle = drifted()
    world.edit(retrain={"onDrift": False})
    labelled(world, FEWER, 7)
    look(world, oracle, 1)
    labels = world.status.drift.labels
    assert labels is not None
    assert labels.since is not None
    assert labels.breaches_in_a_row == 7
    world.edit(retrain={"onDrift": True})
    look(world, oracle, 2)
    _, wanted = made(world)
    assert (wanted.since - labels.since).days == 14
    assert (wanted.judged_since - wanted.since).days == 28


def test_a_break_recalibrates_nothing() -> None:
    world, oracle = drifted()
    broken = world.status.drift.model_copy(
        update={"cause": "SchemaBreak", "breaches_in_a_row": 3, "lacking": ("age",)}
    )
    world.status = world.status.model_copy(update={"drift": broken})
    look(world, oracle, 1)
    told = world.message("Drifted")
    assert "no automatic retraining, because it would learn from sessions without age" in told


def test_without_room_for_a_retraining_a_recalibration_waits_too() -> None:
    world, oracle = drifted()
    world.retrainings_full = "none while 2 other models train"
    look(world, oracle, 2)
    assert world.message("Drifted").endswith("Reaction: none while 2 other models train")
    assert world.status.retrain is None


def test_it_waits_for_a_collector_that_does_not_answer() -> None:
    world, oracle = drifted()
    world.retrainings_full = "none while 2 other models train"
    look(world, oracle, 1)
    world.retrainings_full = ""
    answer, world.outcomes = world.outcomes, CollectorReading(error="gone")
    look(world, oracle, 2)
    assert "none until the collector's answer" in world.message("Drifted")
    assert world.status.retrain is None
    world.outcomes = answer
    look(world, oracle, 1)
    assert world.status.retrain is not None
    assert world.status.retrain.recalibration is not None


def test_a_rise_of_the_loss_holds_it_back_and_a_retraining_takes_its_place() -> None:
    world, oracle = drifted()
    first = world.champion()
    look(world, oracle, 3)
    version, _ = made(world)
    assert version.name == world.status.candidate
    labelled(world, SWAPPED, 4)
    look(world, oracle, 2)
    assert world.condition("Drifted") == ("True", "LossRose")
    assert world.status.retrain is not None
    assert "(cooldown)" in world.message("Drifted"), "nobody observed the weeks of the labels"
    with oracle.speaks():
        world.watch(3700, every=60)
    settle(world, oracle)
    assert world.versions[version.name].status.stage == "Superseded"
    champion = world.versions[world.stable()]
    assert champion.spec.recalibration is None
    assert champion.name != first


def test_without_the_extension_a_drift_of_the_calibration_retrains() -> None:
    world, oracle = drifted()
    world.extensions = [e for e in EXTENSIONS if not isinstance(e, Recalibrate)]
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "CalibrationDrifted")
    assert world.message("Drifted").endswith("Reaction: a retraining starts")
    settle(world, oracle)
    champion = world.versions[world.stable()]
    assert champion.spec.trigger == "Retrain: drift of the calibration"
    assert JobKind.TRAIN in jobs_of(world, champion.name)


@pytest.mark.parametrize("crash_after", range(4))
def test_a_crash_at_any_point_makes_one_recalibration(crash_after: int) -> None:
    world, oracle = drifted()
    for crash in (crash_after, None) * 6:
        with oracle.speaks():
            world.reconcile(crash)
            world.finish_jobs()
            world.tick()
    settle(world, oracle)
    version, _ = made(world)
    assert world.champion() == version.name
