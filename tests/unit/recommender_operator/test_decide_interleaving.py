"""Mixed lists before the first step: users' clicks say whether a candidate may begin it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from recommender_operator.api.version_interleaving import InterleavingStatus
from recommender_operator.observed import PLAIN, Routing
from tests.unit.recommender_operator.experiment_worlds import PLAN, reasons, until
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.started_worlds import rolled_out_second
from tests.unit.recommender_operator.world import World

HOUR = 3600.0
MIXED: dict[str, Any] = {"percent": 5, "users": 1000, "seconds": 4 * 3600}
ROLLOUT = {"interleaving": MIXED}
SERVING = {"impressions": 1}


def record(world: World, seed: int = 2) -> InterleavingStatus:
    (found,) = [
        v.status.interleaving for n, v in world.versions.items() if world.seed_of(n) == seed
    ]
    assert found is not None
    return found


def before(**sections: Any) -> World:
    """A world whose second version is about to be rolled out."""
    given: dict[str, Any] = {"rollout": ROLLOUT, "serving": SERVING}
    world = World(spec=spec(**(given | sections)))
    world.settle()
    world.seed(2)
    return world


def mixing(**sections: Any) -> World:
    """A world in which users get lists mixed with those of the second version."""
    world = before(**sections)
    until(world, lambda: world.routing.interleaving != "" and record(world).runs)
    return world


def candidate(world: World) -> str:
    return world.status.candidate or ""


def test_some_users_get_mixed_lists_and_the_candidate_none_of_its_own() -> None:
    world = mixing()
    found = record(world)
    header = f"id={found.id};candidate={candidate(world)};users=500"
    assert world.routing == Routing(interleaving=header)
    assert world.route == {world.status.champion: 100}
    assert world.steps == ()
    assert world.versions[candidate(world)].status.weight == 0
    assert world.message("Progressing").startswith(
        f"5 % of the users get lists with items of {candidate(world)}"
    )


def test_a_candidate_that_users_prefer_begins_its_steps_early() -> None:
    world = mixing()
    world.users.prefers = 0.7
    world.watch(HOUR, 60)
    found = record(world)
    assert found.verdict == "Preferred"
    assert found.ended_at is not None
    assert found.clicked < 1000
    assert found.low is not None
    assert found.low > 0
    assert world.weights_of(2)[0] == 10
    assert world.routing == PLAIN
    world.settle()
    assert world.stages()[2] == "Promoted"


def test_a_candidate_that_is_not_worse_begins_them_after_the_stated_users() -> None:
    world = mixing()
    world.watch(1.9 * HOUR, 60)
    assert record(world).verdict == "KeepRunning"
    assert world.steps == ()
    world.watch(0.3 * HOUR, 60)
    found = record(world)
    assert (found.verdict, found.clicked >= 1000, found.users >= 2000) == ("NotWorse", True, True)
    assert world.weights_of(2)[0] == 10


def test_a_candidate_that_is_clearly_worse_is_rolled_back_before_it_has_users() -> None:
    world = mixing()
    world.users.prefers = 0.3
    world.watch(HOUR, 60)
    assert world.stages()[2] == "RolledBack"
    decision = next(v.status.decision for n, v in world.versions.items() if world.seed_of(n) == 2)
    assert decision is not None
    assert decision.reason == "InterleavingLost"
    assert "users prefer the champion" in decision.message
    assert world.condition("AnalysisPassed") == ("False", "InterleavingLost")
    assert record(world).verdict == "Worse"
    assert (world.routing, world.weights_of(2)) == (PLAIN, [])
    assert world.status.consecutive_rollbacks == 1


def test_without_an_answer_in_time_the_steps_follow() -> None:
    world = mixing()
    world.users.per_hour = 0
    world.watch(3.9 * HOUR, 60)
    assert world.steps == ()
    world.watch(0.3 * HOUR, 60)
    found = record(world)
    assert found.verdict == "Undecided"
    assert "no answer within 14400 s: no user was counted yet" in found.message
    assert world.weights_of(2)[0] == 10
    assert any("goes on to its steps: Undecided" in event.message for event in world.events)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"error": "its users cannot be read: the chart has no collector"}, "no collector"),
        ({"lag": datetime.timedelta(hours=1)}, "counted events only up to"),
        ({"odd": {"experiment": "00000000"}}, "not the requested id"),
        ({"odd": {"phases": [{"phase": 0, "arms": [{"arm": "interleaved"}]}]}}, "sums: not an"),
        ({"odd": {"phases": [], "ignored": True}}, "no room"),
    ],
)
def test_a_collector_without_an_answer_of_use_neither_passes_nor_rolls_back(
    fault: dict[str, Any], words: str
) -> None:
    world = mixing()
    for name, value in fault.items():
        setattr(world.users, name, value)
    world.watch(3 * HOUR, 60)
    found = record(world)
    assert found.verdict == "Error"
    assert words in found.message
    assert world.condition("AnalysisPassed") == ("Unknown", "ExperimentError")
    world.watch(2 * HOUR, 60)
    assert record(world).verdict == "Undecided"
    assert world.weights_of(2)[0] == 10


def test_old_events_that_prove_a_loss_roll_back() -> None:
    world = mixing()
    world.users.prefers, world.users.lag = 0.2, datetime.timedelta(hours=1)
    world.watch(HOUR, 60)
    assert world.stages()[2] == "RolledBack"


def test_a_pause_stops_the_phase_but_not_the_protection() -> None:
    world = mixing()
    world.users.prefers = 0.7
    world.edit(paused=True)
    world.watch(HOUR, 60)
    assert record(world).verdict == "Preferred"
    assert record(world).ended_at is None
    assert world.routing.interleaving
    world.users.prefers = 0.1
    world.watch(HOUR, 60)
    assert world.stages()[2] == "RolledBack"


def test_a_pause_before_the_phase_keeps_lists_from_being_mixed() -> None:
    world = before()
    world.accepted = False
    world.watch(60)
    world.finish_jobs()
    until(world, lambda: bool(world.routing.interleaving))
    world.edit(paused=True)
    world.accepted = True
    world.watch(30)
    assert world.routing == PLAIN
    world.edit(paused=False)
    world.watch(30)
    assert record(world).runs


def test_the_plan_is_that_of_the_start_but_the_phase_can_be_removed() -> None:
    world = mixing()
    world.edit(rollout={"interleaving": {"percent": 20, "users": 100, "seconds": 60}})
    world.watch(300)
    assert record(world).plan.percent == 5
    assert record(world).runs
    world.edit(rollout={})
    world.watch(30)
    assert record(world).ended_at is not None
    assert world.routing == PLAIN
    world.settle()
    assert world.stages()[2] == "Promoted"


def test_copies_come_first_and_mixed_lists_after_them() -> None:
    shadow = {"shadow": {"share": 0.25, "minRequests": 100, "seconds": 120}}
    world = mixing(rollout=ROLLOUT | shadow)
    assert [(step.weight, step.verdict) for step in world.steps] == [(0, "Pass")]
    assert world.routing.shadow == ""
    world.users.prefers = 0.7
    world.watch(HOUR, 60)
    assert world.weights_of(2)[:2] == [0, 10]


def test_an_experiment_begins_when_the_mixed_lists_have_ended() -> None:
    world = mixing(experiment=PLAN)
    assert world.routing.experiment == ""
    world.users.prefers = 0.7
    until(world, lambda: bool(world.steps), 1000)
    world.watch(30)
    assert world.routing.experiment
    assert world.routing.interleaving == ""


@pytest.mark.parametrize("action", ["promote", "abort"])
def test_a_person_can_decide_in_the_phase(action: str) -> None:
    world = mixing()
    world.annotations[action] = "now"
    world.settle()
    assert world.stages()[2] == ("Promoted" if action == "promote" else "RolledBack")
    assert world.routing == PLAIN


def test_lists_are_not_mixed_with_those_of_a_standby() -> None:
    world = rolled_out_second()
    world.edit(rollout=ROLLOUT, serving=SERVING)
    champion = world.services[world.status.champion or ""]
    world.seed(3)
    until(world, lambda: bool(world.routing.interleaving) and record(world, 3).runs)
    champion.turn(ready=False)
    world.watch(120)
    assert world.routing.interleaving == ""
    assert record(world, 3).ended_at is None
    champion.turn(ready=True)
    world.watch(HOUR, 60)
    assert record(world, 3).id in world.routing.interleaving


def test_a_candidate_of_an_earlier_release_is_asked_only_once_it_is_deployed_again() -> None:
    world = mixing()
    world.services[candidate(world)].outdated = True
    world.reconcile()
    assert world.routing == PLAIN
    world.watch(30)
    assert world.routing.interleaving


def test_the_first_version_has_no_mixed_lists() -> None:
    world = World(spec=spec(rollout=ROLLOUT, serving=SERVING))
    world.settle()
    assert set(world.stages().values()) == {"Promoted"}
    assert all(v.status.interleaving is None for v in world.versions.values())


def test_numbers_are_written_once_a_minute_and_each_rollout_has_its_own() -> None:
    world = mixing()
    first = record(world)
    seen = set()
    for _ in range(60):
        world.reconcile()
        world.tick(5)
        seen.add(record(world).judged_at)
    assert 4 <= len(seen) <= 7
    world.users.prefers = 0.1
    world.watch(HOUR, 60)
    assert world.stages()[2] == "RolledBack"
    assert "InterleavingLost" in reasons(world)
    world.annotations["retry"] = "again"
    world.watch(120)
    world.finish_jobs()
    until(world, lambda: record(world).runs)
    assert record(world).id != first.id
