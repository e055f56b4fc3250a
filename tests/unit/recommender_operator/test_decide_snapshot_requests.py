"""Snapshots on request: at once and only once, or refused with the remedy."""

from __future__ import annotations

import datetime

import pytest

from tests.unit.recommender_operator.simulation.cluster import START
from tests.unit.recommender_operator.snapshot_worlds import HOUR, SOURCE, number, started, watched
from tests.unit.recommender_operator.world import World


def ask(world: World, token: str) -> None:
    world.annotations["snapshot"] = token


def test_a_requested_snapshot_is_taken_at_once_and_only_once() -> None:
    world = watched("Daily")
    world.settle()
    world.now += HOUR
    ask(world, "before the sale")
    world.settle()
    ask(world, "and another")
    world.settle()
    midnight = START.replace(hour=0)
    first, *requested = started(world)
    assert first == number(midnight)
    assert len(requested) == 2
    assert number(START + HOUR) <= requested[0] < requested[1]
    handled = {h.token: h.result for h in world.status.handled}
    assert handled["before the sale"] == f"movies-snapshot-{requested[0]} starts"
    assert world.condition("RequestsHonored") == ("True", "Done")
    world.now = midnight + 24 * HOUR
    world.settle()
    assert started(world)[3:] == [number(midnight + 24 * HOUR)]


def test_two_requests_in_one_minute_take_two_snapshots() -> None:
    world = watched()
    world.settle()
    at = world.now + HOUR
    for token in ("one", "two"):
        world.now = at
        ask(world, token)
        world.reconcile()
        world.finish_jobs()
        world.reconcile()
    assert started(world)[1:] == [number(at), number(at) + 1]


def test_a_requested_snapshot_in_a_new_hour_is_also_the_scheduled_one() -> None:
    world = watched()
    world.settle()
    world.now = START + HOUR + datetime.timedelta(minutes=7)
    ask(world, "now")
    world.settle()
    world.settle()
    assert started(world)[1:] == [number(START + HOUR) + 7]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"data": SOURCE}, "data.snapshots is not set"), ({"paused": True}, "the model is paused")],
)
def test_a_snapshot_that_cannot_be_taken_is_refused_with_the_remedy(
    changes: dict[str, object], reason: str
) -> None:
    world = watched()
    world.settle()
    world.edit(**changes)
    ask(world, "now")
    world.settle()
    assert len(started(world)) == 1
    assert world.condition("RequestsHonored") == ("False", "Refused")
    assert reason in world.message("RequestsHonored")
