"""Mixed lists before the first step: users' clicks say whether a candidate may begin it."""

from __future__ import annotations

import datetime
import itertools

import pytest

from recommender_operator.extensions.interleaving.interleaving import Interleaving
from recommender_operator.observed import PLAIN, Routing
from tests.unit.recommender_operator.experiment_worlds import PLAN, reasons, until
from tests.unit.recommender_operator.interleaving_worlds import (
    HOUR,
    ROLLOUT,
    SERVING,
    before,
    candidate,
    mixing,
    record,
)  # fmt: skip
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.started_worlds import rolled_out_second
from tests.unit.recommender_operator.world import World


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
    assert world.second_stage == "Promoted"


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
    assert world.second_stage == "RolledBack"
    decision = next(v.status.decision for n, v in world.versions.items() if world.seed_of(n) == 2)
    assert decision is not None
    assert decision.reason == "InterleavingLost"
    assert "users prefer the champion" in decision.message
    assert world.condition("AnalysisPassed") == ("False", "InterleavingLost")
    assert record(world).verdict == "Worse"
    assert (world.routing, world.weights_of(2)) == (PLAIN, [])
    assert world.status.consecutive_rollbacks == 1


def test_old_events_that_prove_a_loss_roll_back() -> None:
    world = mixing()
    world.users.prefers, world.users.lag = 0.2, datetime.timedelta(hours=1)
    world.watch(HOUR, 60)
    assert world.second_stage == "RolledBack"


def test_a_pause_stops_the_phase_but_not_the_protection() -> None:
    world = mixing()
    world.users.prefers = 0.7
    world.edit(paused=True)
    world.watch(HOUR, 60)
    assert record(world).verdict == "Preferred"
    assert record(world).ended_at is None
    assert world.routing.interleaving
    before = record(world).judged_at
    world.watch(120, 60)
    assert record(world).judged_at != before, "by the wall clock"
    world.users.prefers = 0.1
    world.watch(HOUR, 60)
    assert world.second_stage == "RolledBack"


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
    found = record(world)
    assert (found.runs, found.verdict) == (False, "Undecided")
    assert "the spec does not ask for mixed lists any more" in found.message
    assert world.routing == PLAIN
    world.settle()
    assert world.second_stage == "Promoted"


def test_copies_come_first_and_mixed_lists_after_them() -> None:
    shadow = {"shadow": {"share": 0.25, "minRequests": 100, "seconds": 120}}
    world = mixing(rollout=ROLLOUT | shadow)
    assert [(step.weight, step.verdict) for step in world.steps] == [(0, "Pass")]
    assert world.routing.shadow == ""
    world.users.prefers = 0.7
    world.watch(HOUR, 60)
    assert world.weights_of(2)[:2] == [0, 10]


def test_an_experiment_begins_when_the_mixed_lists_have_ended() -> None:
    world = mixing(rollout={"experiment": PLAN})
    assert world.routing.experiment == ""
    world.users.prefers = 0.7
    until(world, lambda: bool(world.steps), 1000)
    world.watch(30)
    assert world.routing.experiment
    assert world.routing.interleaving == ""


@pytest.mark.parametrize("action", ["promote", "abort"])
def test_a_person_can_decide_in_the_phase(action: str) -> None:
    world = mixing()
    world.watch(120, 60)
    world.annotations[action] = "now"
    world.settle()
    assert world.second_stage == ("Promoted" if action == "promote" else "RolledBack")
    assert world.routing == PLAIN
    found = record(world)
    assert (found.runs, found.verdict) == (False, "Undecided")
    reason = {"promote": "a person skipped the remaining steps", "abort": "aborted by annotation"}
    assert found.message.startswith(reason[action])
    assert "users with a click, of 1000" in found.message


@pytest.mark.parametrize("target", ["champion", "previous"])
@pytest.mark.parametrize("by", ["annotation", "pin"])
def test_a_rollback_to_a_version_ends_the_phase_and_its_record_says_why(
    by: str, target: str
) -> None:
    world = rolled_out_second()
    world.edit(rollout=ROLLOUT, serving=SERVING)
    world.seed(3)
    until(world, lambda: bool(world.routing.interleaving) and record(world, 3).runs)
    world.watch(120, 60)
    former = world.status.champion
    wanted = (former if target == "champion" else world.status.previous) or ""
    if by == "pin":
        world.edit(rollbackTo=wanted)
    else:
        world.annotations["rollback-to"] = wanted
    world.reconcile()
    assert (world.route, world.routing) == ({wanted: 100}, PLAIN), "in the same look"
    assert Interleaving().counted(world.versions.values()) is None, "the collector is not asked"
    found = record(world, 3)
    assert (found.runs, found.verdict) == (False, "Undecided")
    assert found.ended_at is not None
    assert found.message.startswith(f"rollbackTo {wanted} was requested: ")
    assert "users with a click, of 1000" in found.message
    assert found.clicked > 0, "the numbers stay"
    world.settle()
    assert world.champion() == wanted
    assert world.stages()[3] == ("Superseded" if by == "pin" else "RolledBack")
    assert world.routing == PLAIN


def test_a_rollback_during_the_phase_survives_a_crash_after_any_write() -> None:
    for crash in range(6):
        world = mixing()
        champion = world.stable()
        world.annotations["rollback-to"] = champion
        world.reconcile(crash_after=crash)
        world.settle()
        assert (world.champion(), world.routing) == (champion, PLAIN), crash
        assert world.second_stage == "RolledBack"
        assert not record(world).runs
        assert record(world).message.startswith("rollbackTo"), crash


@pytest.mark.parametrize("is_candidate", [True, False])
def test_the_phase_begins_only_once_services_of_an_earlier_release_came_anew(
    is_candidate: bool,
) -> None:
    """Such a candidate would count its lists as answers to users, such a champion mixes none."""
    world = before()
    until(world, lambda: any(v.status.interleaving for v in world.versions.values()))
    name = candidate(world) if is_candidate else world.status.champion or ""
    for _ in range(2):
        world.services[name].outdated = True
        world.reconcile()
        assert world.routing == PLAIN
        assert not record(world).runs
    world.watch(30)
    assert world.routing.interleaving
    assert record(world).runs


def test_the_first_version_has_no_mixed_lists() -> None:
    world = World(spec=spec(rollout=ROLLOUT, serving=SERVING))
    world.settle()
    assert set(world.stages().values()) == {"Promoted"}
    assert all(v.status.interleaving is None for v in world.versions.values())


def test_numbers_are_new_at_first_and_then_written_once_a_minute() -> None:
    world = mixing(rollout={"analysis": {"intervalSeconds": 5}})
    seen: list[datetime.datetime] = []
    for _ in range(180):
        world.reconcile()
        world.tick(5)
        at = record(world).judged_at
        if at is not None and at not in seen:
            seen.append(at)
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(seen)]
    assert gaps[:3] == [5, 5, 5]
    assert gaps == sorted(gaps), "ever more rarely"
    assert gaps[-8:] == [60] * 8
    assert len(gaps) < 30


def test_each_rollout_has_its_own_numbers() -> None:
    world = mixing()
    first = record(world)
    world.users.prefers = 0.1
    world.watch(HOUR, 60)
    assert world.second_stage == "RolledBack"
    assert "InterleavingLost" in reasons(world)
    world.annotations["retry"] = "again"
    world.watch(120)
    world.finish_jobs()
    until(world, lambda: record(world).runs)
    assert record(world).id != first.id
