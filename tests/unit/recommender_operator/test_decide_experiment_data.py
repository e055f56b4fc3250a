"""An experiment whose data are missing, late or wrong never promotes, and says why."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from recommender_operator.experiments import decision as statistics
from recommender_operator.experiments.decision import Kind
from tests.unit.recommender_operator.experiment_worlds import (
    PLAN,
    Judge,
    experiment,
    measuring,
    reasons,
    started,
)
from tests.unit.recommender_operator.simulation.users import arm


def test_a_collector_that_does_not_answer_promotes_nothing_and_is_reported_once(
    judge: Judge,
) -> None:
    world = measuring()
    judge.kind = Kind.PROMOTE
    world.users.error = "its users cannot be read: GET http://c:9090 did not answer in 5 s"
    world.watch(120)
    assert world.condition("AnalysisPassed") == ("Unknown", "ExperimentError")
    assert "did not answer in 5 s" in world.message("AnalysisPassed")
    assert (experiment(world).verdict, experiment(world).final) == ("Error", False)
    assert reasons(world).count("ExperimentError") == 1
    assert world.weight == 50
    world.users.error = ""
    world.settle()
    assert world.second_stage == "Promoted"


def test_the_last_numbers_stay_while_the_collector_does_not_answer(judge: Judge) -> None:
    world = measuring()
    world.watch(120)
    before = experiment(world)
    assert before.users > 0
    world.users.error = "down"
    world.watch(10)
    assert experiment(world).verdict == "Error"
    assert (experiment(world).users, experiment(world).metrics) == (before.users, before.metrics)
    assert experiment(world).counted_until == before.counted_until, "they are as old as before"
    assert judge.kind is Kind.KEEP_RUNNING


def test_the_record_says_up_to_when_events_are_counted_and_how_long_it_takes(
    judge: Judge,
) -> None:
    judge.days_left = 2.5
    world = measuring()
    world.users.lag = datetime.timedelta(seconds=300)
    world.watch(120)
    found = experiment(world)
    assert found.counted_until is not None
    assert found.written_at is not None
    late = (found.written_at - found.counted_until).total_seconds()
    assert late == pytest.approx(300, abs=1)
    assert found.days_left == 2.5


@pytest.mark.parametrize("watermark", [-1e12, 1e12])
def test_a_loss_with_a_watermark_that_is_no_time_of_now_is_recorded_nevertheless(
    judge: Judge, watermark: float
) -> None:
    world = measuring()
    world.users.odd = {"watermark": watermark}
    judge.kind = Kind.ROLL_BACK
    world.watch(60)
    found = experiment(world)
    assert (found.verdict, found.final) == ("RollBack", True)
    assert found.counted_until is not None
    assert found.counted_until <= world.now


def test_a_ramp_does_not_widen_without_its_guardrails(judge: Judge) -> None:
    world = started()
    world.users.error = "down"
    world.watch(100)
    assert (world.weight, world.condition("AnalysisPassed")[1]) == (10, "ExperimentError")
    judge.kind = Kind.BLOCKED
    world.users.error = ""
    world.watch(100)
    assert (world.weight, world.condition("AnalysisPassed")[1]) == (10, "ExperimentBlocked")
    judge.kind = Kind.KEEP_RUNNING
    world.watch(100)
    assert world.weight == 50


def test_a_collector_that_stays_away_until_max_days_is_no_verdict(judge: Judge) -> None:
    world = measuring()
    judge.kind = Kind.PROMOTE
    world.users.error = "down"
    world.watch(0.02 * 86400 + 60, every=30)
    assert world.condition("AnalysisPassed") == ("Unknown", "HeldAtDeadline")
    assert world.second_stage == "Canary"


NAN = float("nan")
SEGMENT = arm("x", 100, 0.2) | {"feature": "device", "value": "tv"}


def broken(world: Any, **changes: Any) -> dict[str, Any]:
    """A phase whose candidate's arm has these fields."""
    number = experiment(world).phases[-1].number
    good = arm(world.stable(), 100, 0.2)
    name = next(n for n in world.versions if world.seed_of(n) == 2)
    return {"phases": [{"phase": number, "arms": [good, arm(name, 100, 0.2) | changes]}]}


@pytest.mark.parametrize(
    ("odd", "field"),
    [
        ({"experiment": "ffffffff"}, "experiment: not the requested id"),
        ({"experiment": None}, "experiment: not the requested id"),
        ({"watermark": NAN}, "watermark: not a time"),
        ({"watermark": "now"}, "watermark: not a time"),
        ({"watermark": True}, "watermark: not a time"),
        ({"watermark": 10**400}, "watermark: not a time"),
        ({"ignored": "no"}, "ignored: not true or false"),
        ({"phases": None}, "phases: not a list"),
        ({"phases": [{}] * 1001}, "phases: not a list of at most 1000 entries"),
        ({"phases": [3]}, "phases[0]: not an object"),
        ({"phases": [{"phase": "0", "arms": []}]}, "phases[0].phase: not a count"),
        ({"phases": [{"phase": 0, "arms": []}] * 2}, "phases[1].phase: 0 occurs twice"),
        ({"phases": [{"phase": 0, "arms": {}}]}, "phases[0].arms: not a list"),
        ({"phases": [{"phase": 0, "arms": ["x"]}]}, "phases[0].arms[0]: not an object"),
        ({"phases": [{"phase": 0, "arms": [{"arm": 3}]}]}, "phases[0].arms[0].arm: not a new"),
        ({"phases": [{"phase": 0, "arms": [{"arm": "a"}]}]}, "phases[0].arms[0].sums"),
    ],
)
def test_an_answer_of_another_form_is_an_error_that_names_the_field(
    judge: Judge, odd: dict[str, Any], field: str
) -> None:
    world = measuring()
    judge.kind = Kind.PROMOTE
    world.users.odd = odd
    world.watch(10)
    assert experiment(world).verdict == "Error"
    assert field in experiment(world).message
    assert world.weight == 50


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"users": -1}, "users"),
        ({"users": NAN}, "users"),
        ({"users": 1e300}, "users"),
        ({"users": 10**400}, "users"),
        ({"mixed": -1}, "mixed: not a count"),
        ({"mixed": 10**400}, "mixed: not a count"),
        ({"disagreed": NAN}, "disagreed: not a count"),
        ({"sums": {}}, "sums: missing or unknown"),
        ({"products": None}, "products: not an object"),
        ({"sums": arm("x", 100, 0.2)["sums"] | {"clicks": NAN}}, "sums.clicks"),
        ({"sums": arm("x", 100, 0.2)["sums"] | {"revenue": -1.0}}, "sums.revenue"),
        ({"sums": arm("x", 100, 0.2)["sums"] | {"revenue": 10**400}}, "sums.revenue"),
        ({"sums": arm("x", 100, 0.2)["sums"] | {"clicks": 1e9}}, "sums.clicks"),
    ],
)
def test_impossible_moments_are_an_error_that_names_the_field(
    judge: Judge, changes: dict[str, Any], field: str
) -> None:
    world = measuring()
    judge.kind = Kind.PROMOTE
    world.users.odd = broken(world, **changes)
    world.watch(10)
    assert experiment(world).verdict == "Error"
    assert f"arms[1].{field}" in experiment(world).message
    assert world.weight == 50


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"segments": 3}, "segments: not a list"),
        ({"segments": [3]}, "segments[0]: not an object"),
        ({"segments": [arm("x", 100, 0.2)]}, "segments[0].feature: not a text"),
        ({"segments": [SEGMENT | {"value": "x" * 65}]}, "segments[0].value: not a text"),
        ({"segments": [SEGMENT | {"value": "x\n"}]}, "segments[0].value: not a text"),
        ({"segments": [SEGMENT, SEGMENT]}, "segments[1]: it occurs twice"),
        ({"segments": [SEGMENT | {"users": -1}]}, "segments[0].users"),
        ({"days": 3}, "days: not an object"),
        ({"days": arm("x", 100, 0.2)}, "days.sums: missing or unknown"),
    ],
)
def test_impossible_details_stop_no_rollback_and_say_why(
    judge: Judge, changes: dict[str, Any], field: str
) -> None:
    world = measuring()
    world.users.odd = broken(world, **changes)
    world.watch(10)
    assert experiment(world).verdict == "KeepRunning"
    phase = judge.asked[-1][1][-1]
    assert f"arms[1].{field}" in f"{phase.days_problem}{phase.segments_problem}"
    judge.kind = Kind.ROLL_BACK
    world.settle()
    assert world.second_stage == "RolledBack"


@pytest.mark.parametrize("problem", [ValueError("a plan"), OverflowError("a number")])
def test_what_cannot_be_computed_is_an_error_and_errors_still_roll_back(
    monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def fail(*_: object) -> None:
        raise problem

    monkeypatch.setattr(statistics, "decide", fail)
    world = started()
    world.watch(10)
    assert experiment(world).verdict == "Error"
    assert str(problem) in experiment(world).message
    world.error_share[2] = 0.5
    world.settle()
    assert world.second_stage == "RolledBack"


def test_a_plan_that_the_statistics_refuse_is_an_error_and_stops_nothing_else() -> None:
    primary = {"metric": "ClickThroughRate", "smallestEffect": 5}
    world = started(rollout={"experiment": PLAN | {"primary": [primary]}})
    world.watch(10)
    assert "effects from 0.001 to below 1" in world.message("AnalysisPassed")
    assert experiment(world).verdict == "Error"


def test_a_collector_without_room_is_an_error_with_its_remedy(judge: Judge) -> None:
    world = measuring()
    judge.kind = Kind.PROMOTE
    world.users.odd = {"ignored": True, "phases": []}
    world.watch(10)
    assert experiment(world).verdict == "Error"
    assert "no room for this experiment" in experiment(world).message
    assert "collector.eventsFrom" in experiment(world).message
    world.users.odd = {"ignored": False}
    world.settle()
    assert world.second_stage == "Promoted"


@pytest.mark.parametrize(
    ("kind", "stage"), [(Kind.PROMOTE, "Canary"), (Kind.ROLL_BACK, "RolledBack")]
)
def test_a_closed_experiment_ends_without_a_verdict_unless_its_numbers_prove_a_loss(
    judge: Judge, kind: Kind, stage: str
) -> None:
    world = measuring()
    world.users.odd = {"ignored": True}
    judge.kind = kind
    world.watch(200)
    assert world.second_stage == stage
    if kind is Kind.PROMOTE:
        assert (experiment(world).verdict, experiment(world).final) == ("Inconclusive", True)
        assert "has closed this experiment" in experiment(world).message


@pytest.mark.parametrize(
    ("minutes", "what"), [(16, "counted events only up to 9"), (-16, "s ahead of the operator's")]
)
def test_moments_of_another_time_promote_nothing_but_may_prove_a_loss(
    judge: Judge, minutes: int, what: str
) -> None:
    world = measuring()
    world.users.lag = datetime.timedelta(minutes=minutes)
    judge.kind = Kind.PROMOTE
    world.watch(30)
    assert experiment(world).verdict == "Error"
    assert what in experiment(world).message
    judge.kind = Kind.ROLL_BACK
    world.watch(10)
    assert world.second_stage == "RolledBack"


def test_arms_and_phases_of_others_are_left_out(judge: Judge) -> None:
    world = measuring()
    name = next(n for n in world.versions if world.seed_of(n) == 2)
    number = experiment(world).phases[-1].number
    arms = [arm(world.stable(), 70, 0.2), arm(name, 60, 0.2, mixed=3), arm("movies-0", 9, 1.0)]
    others = [{"phase": 77, "arms": arms}, {"phase": number, "arms": arms}]
    world.users.odd = {"phases": others}
    world.watch(5)
    _, phases, _ = judge.asked[-1]
    assert [phase.number for phase in phases] == [0, 1]
    assert {arm: m.users for arm, m in phases[-1].arms.items()} == {world.stable(): 70, name: 60}
    assert phases[-1].weights == {world.stable(): 50, name: 50}
    assert phases[-1].mixed == 3
    assert phases[0].arms == {}, "a phase that the collector has not seen has no users"
