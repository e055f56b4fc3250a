"""The former champion answers while the champion cannot, and the champion returns."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from recommender_operator import actions as a
from recommender_operator.api.version import Standby
from recommender_operator.lifecycle.standby import HOLD, LONGEST_HOLD
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.started_worlds import (
    in_canary,
    promoted_first,
    rolled_out_second,
)
from tests.unit.recommender_operator.world import World

SECONDS = HOLD.total_seconds()


def roles(world: World) -> tuple[str, str]:
    """The champion and the former one."""
    return world.status.champion or "", world.status.previous or ""


def record(world: World) -> Standby:
    found = world.versions[roles(world)[0]].status.standby
    assert found is not None
    return found


def taken_over(*, falls_back: bool = False) -> World:
    """A world whose champion has lost its pods, or only its model, and its standby answers."""
    world = rolled_out_second()
    champion, former = roles(world)
    world.services[champion].ctx(ready=False, falls_back=falls_back)
    world.reconcile()
    assert world.route == {former: 100}
    return world


@pytest.mark.parametrize("falls_back", [False, True], ids=["no pods", "no model"])
def test_the_standby_takes_over_in_the_look_that_sees_the_champion_fail(falls_back: bool) -> None:
    world = rolled_out_second()
    champion, former = roles(world)
    world.services[champion].ctx(ready=False, falls_back=falls_back)
    decision = world.reconcile()
    assert decision.actions[0] == a.SetTraffic(weights={former: 100}, host=world.route_host)
    assert roles(world) == (champion, former), "it is no promotion"
    for kind in ("Available", "Ready"):
        assert world.condition(kind) == ("True", "StandbyServes")
    assert [event.reason for event in decision.events].count("StandbyServes") == 1


def test_the_champion_returns_once_it_has_been_ready_without_a_break() -> None:
    world = taken_over()
    champion, former = roles(world)
    service = world.services[champion]
    service.ctx(ready=True)
    world.watch(SECONDS - 10)
    service.ctx(ready=False)
    world.reconcile()
    service.ctx(ready=True)
    world.watch(SECONDS)
    assert world.route == {former: 100}, "the break counts"
    world.watch(10)
    assert world.route == {champion: 100}
    assert record(world).until is not None
    assert world.condition("Ready") == ("True", "Settled")
    assert "ChampionReturned" in [event.reason for event in world.events]


def test_after_each_takeover_the_champion_must_hold_for_longer_until_it_was_calm() -> None:
    world = taken_over()
    champion, former = roles(world)
    service = world.services[champion]
    held = []
    for _ in range(8):
        service.ctx(ready=True)
        since = world.now
        while world.route == {former: 100}:
            world.reconcile()
            world.tick(5)
        held.append((world.now - since).total_seconds())
        service.ctx(ready=False)
        world.reconcile()
    assert all(later > earlier for earlier, later in itertools.pairwise(held[:6]))
    assert max(held) <= LONGEST_HOLD.total_seconds() + 10
    assert record(world).count == 9
    service.ctx(ready=True)
    world.watch(LONGEST_HOLD.total_seconds() + 20)
    world.tick(3600)
    service.ctx(ready=False)
    world.reconcile()
    assert record(world).count == 1


def test_a_champion_that_was_replaced_hundreds_of_times_returns_after_the_longest_hold() -> None:
    world = taken_over()
    champion, former = roles(world)
    version = world.versions[champion]
    often = record(world).model_copy(update={"count": 500})
    status = version.status.model_copy(update={"standby": often})
    world.versions[champion] = dataclasses.replace(version, status=status)
    world.services[champion].ctx(ready=True)
    world.watch(LONGEST_HOLD.total_seconds() - 10)
    assert world.route == {former: 100}
    world.watch(20)
    assert world.route == {champion: 100}


def test_a_standby_that_fails_too_gives_way_to_a_champion_that_at_least_answers() -> None:
    world = taken_over(falls_back=True)
    champion, former = roles(world)
    world.services[former].ctx(ready=False)
    world.reconcile()
    assert world.route == {champion: 100}
    world.services[former].ctx(ready=True)
    world.reconcile()
    assert world.route == {former: 100}


def test_if_both_have_no_pods_the_route_stays_and_is_not_written_again_and_again() -> None:
    world = taken_over()
    _, former = roles(world)
    world.services[former].ctx(ready=False)
    written = len(world.log)
    world.watch(60)
    assert world.route == {former: 100}
    assert [x for x in world.log[written:] if isinstance(x, a.SetTraffic)] == []
    assert world.condition("Available") == ("False", "ChampionUnavailable")


def test_a_candidate_neither_passes_a_step_nor_is_promoted_while_the_standby_answers() -> None:
    world = World(spec=spec())
    world.settle()
    world.seed(2)
    world.settle()
    world.seed(3)
    while 10 not in world.route.values():
        world.reconcile()
        world.finish_jobs()
        world.tick()
    champion, former = roles(world)
    candidate = world.status.candidate or ""
    world.services[champion].ctx(ready=False, falls_back=True)
    world.watch(300)
    assert world.route == {former: 90, candidate: 10}
    world.services[champion].ctx(ready=True)
    world.settle()
    assert world.champion() == candidate


@pytest.mark.parametrize("falls_back", [False, True])
def test_a_bad_candidate_is_rolled_back_while_the_standby_answers(falls_back: bool) -> None:
    world = rolled_out_second()
    world.seed(3)
    while 10 not in world.route.values():
        world.reconcile()
        world.finish_jobs()
        world.tick()
    champion, former = roles(world)
    world.error_share[3] = 0.9
    world.services[champion].ctx(ready=False, falls_back=falls_back)
    world.watch(120)
    assert world.stages()[3] == "RolledBack"
    assert world.route == {former: 100}


@pytest.mark.parametrize(
    "sections",
    [{"serving": {"keepPrevious": False}}, {"rollout": {"traffic": "Knative"}}],
    ids=["not kept", "Knative"],
)
def test_without_a_standby_the_route_stays_at_the_champion(sections: dict[str, object]) -> None:
    world = World(spec=spec(**sections))
    world.settle()
    world.seed(2)
    world.settle()
    champion, _ = roles(world)
    world.services[champion].ctx(ready=False)
    world.watch(30)
    assert world.route == {champion: 100}


def test_a_first_version_has_no_standby() -> None:
    world = promoted_first()
    champion, _ = roles(world)
    world.services[champion].ctx(ready=False)
    world.watch(30)
    assert world.route == {champion: 100}


def test_a_standby_that_is_no_longer_kept_gives_the_requests_back() -> None:
    world = taken_over()
    champion, _ = roles(world)
    world.edit(serving={"keepPrevious": False})
    world.reconcile()
    assert world.route == {champion: 100}


def test_an_operator_that_crashes_in_the_takeover_repeats_it_once() -> None:
    for after in range(4):
        world = rolled_out_second()
        champion, former = roles(world)
        world.services[champion].ctx(ready=False)
        world.reconcile(after)
        world.watch(20)
        assert world.route == {former: 100}
        assert record(world).count == 1


def test_a_rollback_to_the_standby_makes_it_the_champion() -> None:
    world = taken_over()
    _, former = roles(world)
    world.annotations["rollback-to"] = f"{former}#1"
    world.settle()
    assert world.champion() == former
    assert world.route == {former: 100}


def test_a_candidate_may_be_promoted_by_hand_while_the_champion_is_down() -> None:
    world = in_canary()
    champion, candidate = world.stable(), world.status.candidate or ""
    world.services[champion].ctx(ready=False)
    world.annotations["promote"] = "now"
    world.settle()
    assert world.champion() == candidate
