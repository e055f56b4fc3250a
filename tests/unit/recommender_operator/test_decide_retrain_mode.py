"""`retrain.mode` says what happens without a person; a bad candidate always goes."""

from __future__ import annotations

import pytest

from recommender_operator.analysis.step_verdict import Verdict
from recommender_operator.api.spec import RecommenderModelSpec, RetrainMode
from recommender_operator.observed import JobKind
from tests.sources import SOURCE
from tests.unit.recommender_operator.drift_worlds import canary, look, serving, settle
from tests.unit.recommender_operator.extensions.recalibration.test_decide_recalibration import (
    jobs_of,
    made,
)
from tests.unit.recommender_operator.snapshot_worlds import watched
from tests.unit.recommender_operator.test_decide_drift_causes import FEWER, SWAPPED, labelled
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.test_decide_snapshot_retraining import hours_pass
from tests.unit.recommender_operator.world import World

KIND = "RetrainProposed"
PROPOSE: dict[str, object] = {"mode": "Propose"}


def shifted(**retrain: object) -> tuple[World, Oracle]:
    """A model whose sessions have shifted."""
    world, oracle = serving(retrain=retrain)
    oracle.window = Verdict.FAIL
    look(world, oracle, 5)
    return world, oracle


def events(world: World) -> list[str]:
    return [each.message for each in world.events if each.reason == KIND]


def test_by_default_a_retraining_is_proposed() -> None:
    base = {"data": {"source": SOURCE}}
    spec = RecommenderModelSpec.model_validate(
        base | {"storage": {"persistentVolumeClaim": {"claimName": "store"}}}
    )
    assert spec.retrain.mode is RetrainMode.PROPOSE


def test_a_drift_proposes_a_retraining_once_and_trains_nothing() -> None:
    world, oracle = shifted(**PROPOSE)
    assert world.condition(KIND) == ("True", "Shifted")
    assert "annotate recommender.dev/retrain" in world.message(KIND)
    assert world.message("Drifted").endswith("Reaction: proposed, see RetrainProposed")
    assert "recommender.dev/retrain" not in world.message("Drifted")
    look(world, oracle, 20)
    assert world.status.retrain is None
    assert world.status.candidate is None
    assert len(events(world)) == 1


def test_an_accepted_proposal_trains_and_comes_again_only_after_the_cooldown() -> None:
    world, oracle = shifted(**PROPOSE)
    world.annotations["retrain"] = "yes"
    look(world, oracle, 4)
    retrained = world.status.candidate
    assert retrained is not None
    assert world.versions[retrained].spec.trigger == "Retrain: requested by annotation 'yes'"
    assert world.condition(KIND) == ("False", "None")
    world.annotations["abort"] = "no"
    look(world, oracle, 4)
    assert world.status.candidate is None
    assert world.condition(KIND) == ("False", "None")
    assert "(cooldown)" in world.message("Drifted")


def test_a_drift_that_ends_withdraws_its_proposal() -> None:
    world, oracle = shifted(**PROPOSE)
    oracle.window = Verdict.PASS
    look(world, oracle, 4)
    assert world.condition("Drifted") == ("False", "NoShift")
    assert world.condition(KIND) == ("False", "None")


@pytest.mark.parametrize(("mode", "retrains"), [("Manual", False), ("Auto", True)])
def test_other_modes_propose_nothing(mode: str, retrains: bool) -> None:
    world, _ = shifted(mode=mode)
    assert world.condition("Drifted") == ("True", "Shifted")
    assert world.condition(KIND) == ("False", "Disabled")
    assert f"retrain.mode is {mode}" in world.message(KIND)
    assert (world.status.retrain is not None) == retrains
    assert not events(world)


def test_in_mode_manual_a_person_still_retrains() -> None:
    world, oracle = shifted(mode="Manual")
    assert "retrain.mode is Manual" in world.message("Drifted")
    world.annotations["retrain"] = "monthly"
    look(world, oracle, 4)
    assert world.status.candidate is not None


def test_limits_over_all_models_do_not_hold_back_a_proposal() -> None:
    world, oracle = serving(retrain=PROPOSE)
    world.retrainings_full = "none while 2 other models train"
    oracle.window = Verdict.FAIL
    look(world, oracle, 5)
    assert world.condition(KIND) == ("True", "Shifted")


def test_nothing_is_proposed_while_a_version_is_in_progress() -> None:
    world, oracle = serving(retrain=PROPOSE)
    oracle.window = Verdict.FAIL
    canary(world, oracle)
    look(world, oracle, 4)
    assert world.condition("Drifted")[0] == "True"
    assert world.condition(KIND) == ("False", "None")


def test_a_drift_of_the_calibration_proposes_a_recalibration_which_retrain_accepts() -> None:
    world, oracle = serving(retrain=PROPOSE)
    settle(world, oracle)
    labelled(world, FEWER)
    first = world.champion()
    look(world, oracle, 2)
    assert world.condition(KIND) == ("True", "CalibrationDrifted")
    assert world.message(KIND).startswith(f"a recalibration of {first} is proposed")
    world.annotations["retrain"] = "yes"
    look(world, oracle, 1)
    settle(world, oracle)
    version, wanted = made(world)
    assert wanted.of == first
    assert jobs_of(world, version.name) == [JobKind.RECALIBRATE, JobKind.PUBLISH]
    assert world.status.handled[-1].result.endswith("starts, as proposed")


def test_a_recalibration_that_cannot_help_is_a_proposal_to_train() -> None:
    world, oracle = serving(retrain=PROPOSE)
    settle(world, oracle)
    labelled(world, SWAPPED)
    look(world, oracle, 2)
    assert world.condition(KIND) == ("True", "LossRose")
    assert world.message(KIND).startswith("a retraining is proposed: drift of the loss")


def test_enough_snapshots_propose_a_retraining_and_count_anew_once_it_is_accepted() -> None:
    world = watched(retrain=PROPOSE | {"afterSnapshots": 2})
    world.settle()
    first = world.champion()
    hours_pass(world, 2)
    assert world.champion() == first
    assert world.condition(KIND) == ("True", "NewSnapshots")
    assert "snapshots with new rows" in world.message(KIND)
    world.annotations["retrain"] = "yes"
    world.settle()
    assert world.champion() != first
    assert world.status.snapshots is not None
    assert world.status.snapshots.since_retraining == 0
    assert world.condition(KIND) == ("False", "None")


def test_in_mode_manual_snapshots_propose_nothing() -> None:
    world = watched(retrain={"mode": "Manual", "afterSnapshots": 1})
    world.settle()
    first = world.champion()
    hours_pass(world, 3)
    assert (world.champion(), world.condition(KIND)) == (first, ("False", "Disabled"))


@pytest.mark.parametrize("mode", list(RetrainMode))
def test_a_broken_candidate_is_rolled_back_in_every_mode(mode: RetrainMode) -> None:
    world, oracle = serving(retrain={"mode": mode})
    candidate = canary(world, oracle)
    oracle.broken = Verdict.FAIL
    settle(world, oracle)
    assert world.versions[candidate].status.stage == "RolledBack"
    assert world.condition("Ready") == ("True", "Serving")


@pytest.mark.parametrize("mode", list(RetrainMode))
def test_a_changed_spec_is_trained_in_every_mode(mode: RetrainMode) -> None:
    world, oracle = serving(retrain={"mode": mode})
    world.seed(2)
    settle(world, oracle)
    assert world.versions[world.stable()].spec.training.seed == 2


def test_ready_says_what_serves_and_not_what_failed() -> None:
    world, oracle = serving()
    first = world.champion()
    oracle.step = Verdict.FAIL
    world.seed(2)
    settle(world, oracle)
    outcome = world.status.last_outcome
    assert outcome is not None
    decision = world.versions[outcome.version].status.decision
    assert decision is not None
    assert world.condition("UpToDate") == ("False", decision.reason)
    assert decision.message in world.message("UpToDate")
    # One place has the numbers: others name it.
    assert world.condition("Progressing") == ("False", decision.reason)
    assert decision.message not in world.message("Progressing")
    assert "UpToDate has the numbers" in world.message("Progressing")
    assert decision.message not in world.message("Reconciling")
    assert world.condition("Ready") == ("True", "Serving")
    assert world.message("Ready") == f"{first} is ready"
