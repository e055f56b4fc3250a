"""Mixed lists while a service is missing: no version gains from it, and no rollout hangs."""

from __future__ import annotations

import pytest

from recommender_operator.observed import PLAIN, Routing
from tests.unit.recommender_operator.experiment_worlds import until
from tests.unit.recommender_operator.interleaving_worlds import (
    EVENTS,
    HOUR,
    ROLLOUT,
    before,
    candidate,
    mixing,
    record,
)  # fmt: skip
from tests.unit.recommender_operator.started_worlds import rolled_out_second
from tests.unit.recommender_operator.world import World

ALONE = ";alone=1"


def beside_a_standby() -> World:
    """A world whose champion fails while the lists of the third version are mixed."""
    world = rolled_out_second()
    world.edit(rollout=ROLLOUT, events=EVENTS)
    champion = world.services[world.status.champion or ""]
    world.seed(3)
    until(world, lambda: bool(world.routing.interleaving) and record(world, 3).runs)
    champion.ctx(ready=False)
    return world


def standby_of(world: World) -> str:
    """The only version that is neither the champion nor the candidate."""
    others = {world.status.champion, candidate(world)}
    (name,) = (name for name in world.versions if name not in others)
    return name


def test_lists_are_not_mixed_with_those_of_a_standby_but_reported_as_those_of_nobody() -> None:
    world = beside_a_standby()
    mixed = world.routing.interleaving
    world.watch(120)
    assert world.route == {standby_of(world): 100}
    assert world.routing == Routing(interleaving=mixed + ALONE)
    assert "no list is mixed" in world.message("Progressing")
    assert record(world, 3).ended_at is None
    world.services[world.status.champion or ""].ctx(ready=True)
    world.watch(HOUR, 60)
    assert world.routing.interleaving == mixed


@pytest.mark.parametrize("paused", [False, True])
def test_a_standby_that_may_report_no_lists_ends_the_phase(paused: bool) -> None:
    world = beside_a_standby()
    world.edit(paused=paused)
    world.services[standby_of(world)].outdated = True
    world.users.prefers = 0.1
    world.watch(HOUR, 60)
    found = record(world, 3)
    assert found.ended_at is not None
    assert found.verdict == "Undecided"
    assert "a standby answers without the settings of this release" in found.message
    assert world.routing == PLAIN
    assert world.stages()[3] == "Canary", "clicks beside such lists prove nothing"
    world.edit(paused=False)
    world.services[world.status.champion or ""].ctx(ready=True)
    world.watch(HOUR, 60)
    assert world.weights_of(3)[0] == 10


@pytest.mark.parametrize("fault", ["outdated", "not ready"])
def test_lists_are_those_of_nobody_while_the_candidate_may_not_be_asked(fault: str) -> None:
    world = mixing()
    mixed = world.routing.interleaving
    service = world.services[candidate(world)]
    service.outdated = fault == "outdated"
    service.ctx(ready=service.outdated)
    world.reconcile()
    assert world.routing == Routing(interleaving=mixed + ALONE)
    assert record(world).runs
    service.ctx(ready=True)
    world.watch(30)
    assert world.routing.interleaving == mixed


#: A candidate that is not ready has more time than a phase.
SLOW = {"readyDeadlineSeconds": 7200}


@pytest.mark.parametrize("fault", ["outdated", "not ready"])
def test_a_phase_in_which_no_list_is_mixed_ends_before_the_candidates_deadline(fault: str) -> None:
    world = mixing(serving=SLOW)
    name = candidate(world)
    service = world.services[name]
    service.ctx(ready=fault == "outdated")

    def unanswered(seconds: float) -> None:
        for _ in range(int(seconds / 10)):
            service.outdated = fault == "outdated"
            world.reconcile()
            world.tick(10)

    unanswered(600)
    assert record(world).runs
    assert record(world).unmixed_since is not None
    unanswered(400)
    found = record(world)
    assert (found.runs, found.verdict) == (False, "Undecided")
    told = f"{name} was not ready with the settings of this release for 900 s"
    assert told in found.message
    assert any("goes on to its steps: Undecided" in event.message for event in world.events)
    assert world.routing == PLAIN
    assert world.second_stage == "Canary"
    service.outdated = False
    service.ctx(ready=True)
    world.watch(60)
    assert world.weights_of(2)[0] == 10


def test_the_time_without_mixed_lists_begins_anew_when_the_candidate_returns() -> None:
    world = mixing(serving=SLOW)
    service = world.services[candidate(world)]
    for _ in range(3):
        service.ctx(ready=False)
        world.watch(600, 10)
        service.ctx(ready=True)
        world.watch(60, 10)
        assert record(world).runs
        assert record(world).unmixed_since is None


def test_the_time_without_mixed_lists_stands_still_in_a_pause() -> None:
    world = mixing(serving=SLOW)
    world.services[candidate(world)].ctx(ready=False)
    world.edit(paused=True)
    world.watch(HOUR, 60)
    assert record(world).runs


def test_a_standby_that_reports_no_lists_ends_the_phase_beside_a_candidate_not_ready() -> None:
    world = beside_a_standby()
    world.edit(serving=SLOW)
    world.services[candidate(world)].ctx(ready=False)
    world.services[standby_of(world)].outdated = True
    world.watch(60)
    found = record(world, 3)
    assert (found.runs, found.verdict) == (False, "Undecided")
    assert "a standby answers without the settings of this release" in found.message
    assert world.routing == PLAIN


def refused(world: World, name: str, seconds: float) -> None:
    """Let time pass in which a service cannot be brought to the settings of the release."""
    for _ in range(int(seconds / 10)):
        world.services[name].outdated = True
        world.reconcile()
        world.tick(10)


@pytest.mark.parametrize("is_candidate", [True, False])
def test_a_service_that_never_comes_delays_the_steps_no_longer_than_minutes(
    is_candidate: bool,
) -> None:
    world = before()
    until(world, lambda: any(v.status.interleaving for v in world.versions.values()))
    name = candidate(world) if is_candidate else world.status.champion or ""
    refused(world, name, 600)
    assert record(world).ended_at is None
    assert f"mixed lists wait for the service of {name}" in world.message("Progressing")
    refused(world, name, 400)
    found = record(world)
    assert (found.started_at, found.verdict) == (None, "Undecided")
    assert found.ended_at is not None
    assert f"the service of {name} did not come" in found.message
    assert world.weights_of(2)[0] == 10
    assert any("goes on to its steps: Undecided" in event.message for event in world.events)


def test_the_wait_for_a_service_stands_still_in_a_pause() -> None:
    world = before()
    until(world, lambda: any(v.status.interleaving for v in world.versions.values()))
    name = world.status.champion or ""
    refused(world, name, 300)
    world.edit(paused=True)
    refused(world, name, 1800)
    world.edit(paused=False)
    refused(world, name, 300)
    assert record(world).ended_at is None
    world.watch(60)
    assert record(world).runs


def test_copies_that_are_added_during_the_phase_are_for_the_next_attempt() -> None:
    shadow = {"shadow": {"share": 0.25, "minRequests": 100, "seconds": 120}}
    world = mixing()
    mixed = world.routing
    world.edit(rollout=ROLLOUT | shadow)
    world.watch(300)
    assert world.routing == mixed
    assert record(world).runs
    world.users.prefers = 0.1
    world.watch(HOUR, 60)
    assert world.second_stage == "RolledBack"
    world.annotations["retry"] = "again"
    until(world, lambda: world.routing.shadow != "")
    assert world.routing.interleaving == ""
