"""What ends a recalibration, what follows one, and that none starts at another time."""

from __future__ import annotations

import dataclasses
import datetime
import math

import numpy as np
import pytest

from recommender_operator.analysis.label_sums import read_days
from recommender_operator.extensions.recalibration import stored_recalibrations
from recommender_operator.observed import CollectorReading, JobKind, VersionObject
from tests.unit.recommender_operator.analysis.label_worlds import Shop
from tests.unit.recommender_operator.drift_worlds import look, settle
from tests.unit.recommender_operator.experiment_worlds import PLAN, reasons
from tests.unit.recommender_operator.extensions.recalibration.test_decide_recalibration import (
    drifted,
    made,
)
from tests.unit.recommender_operator.test_decide_drift_causes import EPOCH, FEWER, USUAL, labelled
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import World

HOUR = datetime.timedelta(hours=1)


def recalibrated(world: World) -> list[VersionObject]:
    return [each for each in world.versions.values() if each.spec.recalibration is not None]


def until_made(world: World, oracle: Oracle) -> VersionObject:
    """Start the recalibration, and end before its Job does."""
    with oracle.speaks():
        while not recalibrated(world):
            world.tick()
            world.reconcile()
    return recalibrated(world)[0]


def weeks(world: World, *shops: Shop) -> None:
    """Let the collector tell of these weeks after a usual first one."""
    labelled(world, USUAL, len(shops))
    before = world.outcomes
    assert before is not None
    numbers = list(read_days(before.body, world.stable()))
    rng = np.random.default_rng(1)
    days = [day for shop in (USUAL, *shops) for day in shop.week(rng)]
    dated = [{**day, "day": number} for day, number in zip(days, numbers, strict=True)]
    world.outcomes = CollectorReading(body={**before.body, "days": dated})


def test_it_runs_no_experiment_as_its_lists_are_the_same() -> None:
    world, oracle = drifted(rollout={"experiment": PLAN}, serving={"impressions": 1})
    until_made(world, oracle)
    look(world, oracle, 1)
    told = world.message("Drifted")
    assert told.endswith("is in progress, without an experiment: its lists are the same")
    settle(world, oracle)
    version, wanted = made(world)
    assert world.champion() == version.name
    assert version.status.experiment is None
    assert any(
        e.message == f"{version.name} runs no experiment: its lists are those of {wanted.of}"
        for e in world.events
    )
    assert "ExperimentEnded" not in reasons(world)


def test_a_spec_that_goes_back_after_the_source_was_deleted_trains() -> None:
    world, oracle = drifted()
    settle(world, oracle)
    before = set(world.versions)
    world.outcomes = None
    world.seed(2)
    settle(world, oracle)
    for name in before:
        del world.versions[name]
    world.seed(17)
    settle(world, oracle)
    champion = world.versions[world.stable()]
    assert world.seed_of(champion.name) == 17
    assert champion.spec.recalibration is None
    assert recalibrated(world) == []


def test_a_recalibration_that_the_spec_ended_does_not_start_when_the_spec_goes_back() -> None:
    world, oracle = drifted()
    first = world.champion()
    version = until_made(world, oracle)
    world.outcomes = None
    world.seed(2)
    settle(world, oracle)
    assert world.versions[version.name].status.stage == "Superseded"
    world.seed(17)
    settle(world, oracle)
    assert world.champion() == first
    assert world.versions[version.name].status.stage == "Superseded"


@pytest.mark.parametrize("other", [True, False], ids=["another", "itself"])
def test_a_recalibration_that_a_pin_held_back_for_months_does_not_start(other: bool) -> None:
    world, oracle = drifted()
    first = world.stable()
    if other:
        world, oracle = drifted_second()
    look(world, oracle, 1)
    assert world.status.retrain is not None
    assert world.status.retrain.recalibration is not None
    world.edit(rollbackTo=first)
    world.outcomes = None
    settle(world, oracle)
    assert world.champion() == first
    world.now += 60 * (EPOCH.replace(day=2) - EPOCH)
    world.edit(rollbackTo=None)
    settle(world, oracle)
    assert recalibrated(world) == []


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_jumps_between_a_promotion_and_the_request_changes_nothing(
    hours: int,
) -> None:
    world, oracle = drifted()
    first = world.stable()
    world.now += hours * HOUR
    settle(world, oracle)
    version, wanted = made(world)
    assert wanted.of == first
    assert world.champion() == version.name


@pytest.mark.parametrize("hours", [-1, 0, 1])
def test_a_promotion_after_the_request_makes_it_void_whatever_the_clock_says(hours: int) -> None:
    world, oracle = drifted()
    look(world, oracle, 1)
    observed = world.observe()
    model, retrain = observed.model, observed.model.status.retrain
    assert retrain is not None
    champion = world.versions[world.stable()]
    status = champion.status.model_copy(
        update={
            "promotion": observed.model.status.sequence + 1,
            "promoted_at": retrain.requested_at + hours * HOUR,
        }
    )
    again = dataclasses.replace(champion, status=status)
    known = {champion.name: champion}
    assert stored_recalibrations.is_wanted(model, retrain, known, champion, world.now)
    assert not stored_recalibrations.is_wanted(model, retrain, known, again, world.now)


def test_a_request_of_a_former_operator_has_no_number_and_goes_by_times() -> None:
    world, oracle = drifted_second()
    look(world, oracle, 1)
    model = world.observe().model
    retrain = model.status.retrain
    assert retrain is not None
    assert retrain.recalibration is not None
    former = retrain.model_copy(update={"sequence": 0})
    champion = world.versions[world.stable()]
    assert champion.status.promotion > 0
    for hours, expected in ((-1, True), (0, True), (1, False)):
        promoted_at = retrain.requested_at + hours * HOUR
        changed = champion.status.model_copy(update={"promoted_at": promoted_at})
        again = dataclasses.replace(champion, status=changed)
        known = {again.name: again}
        found = stored_recalibrations.is_wanted(model, former, known, again, world.now)
        assert found is expected


def drifted_second() -> tuple[World, Oracle]:
    """The same with a former version."""
    world, oracle = drifted()
    world.outcomes = None
    world.seed(2)
    settle(world, oracle)
    labelled(world, FEWER)
    return world, oracle


def cool_down(world: World, oracle: Oracle) -> None:
    """Let the cooldown pass: weeks that nobody observes do not count."""
    with oracle.speaks():
        world.watch(3700, every=60)


def test_a_second_recalibration_keeps_the_sum_of_both() -> None:
    world, oracle = drifted()
    settle(world, oracle)
    version, one = made(world)
    assert (one.total_slope, one.total_shift) == (one.slope, one.shift)
    cool_down(world, oracle)
    labelled(world, FEWER)
    settle(world, oracle)
    (other,) = (each for each in recalibrated(world) if each.name != version.name)
    two = other.spec.recalibration
    assert two is not None
    assert two.of == version.name
    assert two.total_slope == pytest.approx(one.slope * two.slope, abs=1e-5)
    assert two.total_shift == pytest.approx(two.slope * one.shift + two.shift, abs=1e-5)


def test_recalibrations_that_add_up_to_another_network_end_with_a_training() -> None:
    world, oracle = drifted()
    for _ in range(4):
        settle(world, oracle)
        if world.status.retrain is not None and world.status.retrain.recalibration is None:
            break
        cool_down(world, oracle)
        labelled(world, FEWER)
    assert world.status.retrain is not None
    assert world.status.retrain.recalibration is None
    assert "since the training" in world.status.retrain.reason
    totals = [
        v.spec.recalibration.total_shift for v in recalibrated(world) if v.spec.recalibration
    ]
    assert all(abs(total) < math.log(4) + 1 for total in totals)


def test_what_failed_once_is_not_tried_again_in_any_later_round() -> None:
    world, oracle = drifted()
    world.edit(history={"limit": 1})
    first = world.champion()
    for _ in range(3):
        with oracle.speaks():
            for _ in range(8):
                world.reconcile()
                for kind in (JobKind.RECALIBRATE, JobKind.TRAIN):
                    world.fail_job(kind, "OOMKilled", "the end")
                world.finish_jobs()
                world.tick()
            world.watch(3700, every=60)
    assert reasons(world).count("RecalibrationStarted") == 1
    assert reasons(world).count("RetrainStarted") >= 2
    assert len(recalibrated(world)) == 1, "history keeps what says so"
    assert world.champion() == first


def test_predictions_that_were_not_counted_are_no_ground_for_a_calibration() -> None:
    world, oracle = drifted()
    assert world.outcomes is not None
    world.outcomes = CollectorReading(body={**world.outcomes.body, "ignored": 100_000})
    look(world, oracle, 1)
    assert world.status.retrain is not None
    assert world.status.retrain.recalibration is None
    assert "the collector did not count 42% of the pred" in world.status.retrain.reason


@pytest.mark.parametrize("ignored", [-1, True, 0.5, "many"])
def test_an_answer_with_no_count_of_them_is_not_used(ignored: object) -> None:
    world, oracle = drifted()
    assert world.outcomes is not None
    world.outcomes = CollectorReading(body={**world.outcomes.body, "ignored": ignored})
    look(world, oracle, 1)
    assert recalibrated(world) == []
    assert world.status.retrain is not None
    assert "ignored: not a count" in world.status.retrain.reason


@pytest.mark.parametrize("after", [(), (FEWER,)], ids=["passed", "one failed since"])
def test_after_a_week_that_passed_it_waits_for_two_that_fail(after: tuple[Shop, ...]) -> None:
    world, oracle = drifted()
    weeks(world, FEWER, FEWER, FEWER, USUAL, *after)
    look(world, oracle, 2)
    assert world.condition("Drifted") == ("True", "CalibrationDrifted")
    assert "none until 2 weeks in a row fail again" in world.message("Drifted")
    assert world.status.retrain is None


def test_no_week_that_passed_is_fitted() -> None:
    world, oracle = drifted()
    weeks(world, FEWER, FEWER, FEWER, USUAL, FEWER, FEWER)
    look(world, oracle, 2)
    _, wanted = made(world)
    assert (wanted.judged_since - wanted.since).days == 7
    assert (wanted.through - wanted.since).days == 14


def test_a_gate_that_was_added_since_is_evaluated_and_one_that_was_not_is_inherited() -> None:
    world, oracle = drifted(evaluation={"gates": [{"metric": "auc", "min": 0.6}]})
    added = {"metric": "logLoss", "max": 0.0}
    world.edit(evaluation={"gates": [{"metric": "auc", "min": 0.6}, added]})
    settle(world, oracle)
    version = recalibrated(world)[0]
    results = {each.metric: each for each in version.status.gates}
    assert "the result of" in results["auc"].message
    assert (results["auc"].passed, results["auc"].minimum) == (True, 0.6)
    assert not results["logLoss"].passed
    assert version.status.stage == "Rejected"


def test_a_gate_that_was_tightened_since_is_evaluated_again() -> None:
    world, oracle = drifted(evaluation={"gates": [{"metric": "auc", "min": 0.6}]})
    world.edit(evaluation={"gates": [{"metric": "auc", "min": 0.99}]})
    settle(world, oracle)
    version = recalibrated(world)[0]
    assert version.status.stage == "Rejected"
    assert "auc" in world.message("GatesPassed")
