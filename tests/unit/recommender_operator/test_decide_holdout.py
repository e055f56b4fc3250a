"""The status says what the recommender gains, and no decision depends on it."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from typing import Any

import orjson
import pytest

from recommender_collector.api.experiment_routes import shown
from recommender_collector.experiments import moments as counted
from recommender_collector.experiments.moments import COMPONENTS, UserMoments
from recommender_collector.store.experiment_store import Account
from recommender_contract.events import HELD, OTHERS
from recommender_operator.actions import Decision
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.status_holdout import HoldoutStatus
from recommender_operator.decide import decide
from recommender_operator.metrics import model_metrics
from recommender_operator.observed import CollectorReading
from recommender_operator.resources import holdout_users
from recommender_operator.rollout.collected_moments import read_phase
from tests.unit.recommender_operator.experiments.users import arm
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World

EVENTS = {"impressions": 1, "holdout": {"percent": 5}}
WEIGHTS = {HELD: 5, OTHERS: 20}


def world_of(**held: Any) -> World:
    world = World(spec=spec(events={"impressions": 1, "holdout": {"percent": 5, **held}}))
    world.settle()
    return world


def answer(world: World, held: int = 1000, others: int = 4000, **more: Any) -> CollectorReading:
    arms = [
        {"arm": name, "users": each.users, "sums": each.sums, "products": each.products}
        for name, each in (("holdout", arm(1, held)), ("others", arm(2, others, click=0.13)))
        if each.users
    ]
    phases = [{"phase": 0, "since": 1.0, "arms": arms}] if arms else []
    id_ = holdout_users.measure(world.observe().model)
    return CollectorReading(body={"experiment": id_, "watermark": 2.0, "phases": phases, **more})


def look(world: World, reading: CollectorReading | None) -> Decision:
    """Look at the world once, with this answer of the collector."""
    decision = decide(dataclasses.replace(world.observe(), holdout=reading), world.now)
    world.status = RecommenderModelStatus.model_validate(decision.status.dump())
    return decision


def status(decision: Decision) -> HoldoutStatus:
    assert decision.status.holdout is not None
    return decision.status.holdout


def test_the_status_has_the_gain_with_its_interval_in_numbers_and_words() -> None:
    world = world_of()
    seen = status(look(world, answer(world)))
    assert (seen.users, seen.other_users) == (1000, 4000)
    assert seen.since < world.now == seen.observed_at
    clicks = seen.gains[0]
    assert clicks.metric == "ClickThroughRate"
    assert clicks.low is not None
    assert clicks.difference is not None
    assert clicks.high is not None
    assert clicks.low < clicks.difference < clicks.high
    assert "4000 other users compared with 1000 of the holdout" in seen.message
    assert f"ClickThroughRate {clicks.difference:+.1%}" in seen.message


def test_the_collector_is_read_into_the_status_once_an_hour() -> None:
    world = world_of()
    first = status(look(world, answer(world)))
    world.now += datetime.timedelta(minutes=59)
    assert status(look(world, answer(world, 2000, 8000))) == first
    world.now += datetime.timedelta(minutes=1)
    assert status(look(world, answer(world, 2000, 8000))).users == 2000


def test_a_new_measure_is_read_after_a_minute_and_then_ever_less_often_up_to_an_hour() -> None:
    world = world_of()
    # The first read finds nobody; the measure began when it was first seen.
    decision, start = look(world, answer(world, 0, 0)), world.now
    read = {status(decision).observed_at}
    while world.now - start < datetime.timedelta(hours=12):
        assert decision.requeue_after is not None
        world.now += decision.requeue_after
        decision = look(world, answer(world, 0, 0))
        read.add(status(decision).observed_at)
    times = sorted(each for each in read if each is not None)
    gaps = [(later - sooner).total_seconds() for sooner, later in itertools.pairwise(times)]
    assert gaps[:3] == [60] * 3
    assert gaps == sorted(gaps)
    assert gaps[-1] == 3600
    assert sum(each - start < datetime.timedelta(hours=4) for each in times) < 25


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"experiment": "00000000"}, "experiment: not the requested id"),
        ({"phases": [{"phase": 0, "arms": []}] * 2}, "phases.phase: 0 occurs twice"),
        ({"phases": [{"phase": 0, "arms": [{"arm": "others"}]}]}, "sums"),
        ({"phases": [{"phase": 0, "since": "x", "arms": []}]}, "since: not a time"),
        ({"phases": [{"phase": 0, "since": 1e14, "arms": []}]}, "not valid"),
        ({"phases": "x"}, "phases: not a list"),
    ],
)
def test_an_answer_of_no_use_keeps_the_numbers_and_says_why(
    change: dict[str, Any], words: str
) -> None:
    world = world_of()
    first = status(look(world, answer(world)))
    world.now += datetime.timedelta(hours=2)
    body = {**answer(world).body, **change}
    seen = status(look(world, CollectorReading(body=body)))
    assert words in seen.message
    assert seen.gains == first.gains
    # It is read again before an hour has passed.
    world.now += datetime.timedelta(minutes=5)
    assert status(look(world, answer(world, 2000, 8000))).users == 2000


def test_without_a_collector_or_users_the_message_says_what_is_missing() -> None:
    world = world_of()
    reading = CollectorReading(error="the chart has no collector: set collector.enabled")
    assert "collector.enabled" in status(look(world, reading)).message
    assert "need a user id" in status(look(world, answer(world, 0, 0))).message
    world = world_of()
    assert "no room" in status(look(world, answer(world, 0, 0, ignored=True))).message
    world = world_of()
    assert "another period" in status(look(world, answer(world, ignored=True))).message


def test_another_setting_starts_the_measure_again() -> None:
    world = world_of()
    first = status(look(world, answer(world)))
    world.now += datetime.timedelta(minutes=1)
    world.edit(events=EVENTS | {"holdout": {"percent": 5, "period": "2026-q4"}})
    seen = status(look(world, None))
    assert (seen.since, seen.gains, seen.users) == (world.now, (), 0)
    assert seen.id != first.id
    world.edit(events={"impressions": 1})
    assert look(world, None).status.holdout is None


def test_no_decision_depends_on_the_measure() -> None:
    """Neither a loss nor groups that cannot be compared change what is done."""
    plain = None
    for held, others in ((0, 0), (1000, 4000), (4000, 1000)):
        world = world_of()
        decision = look(world, answer(world, held, others))
        done = (decision.actions, decision.events, decision.status.conditions)
        plain = plain or done
        assert done == plain
    assert plain is not None


def test_what_the_collector_answers_is_read() -> None:
    found = counted.Moments()
    found.add(UserMoments("holdout", False, tuple(range(len(COMPONENTS))), ()), 1)
    account = Account(watermark=12.5, since={0: 1000}, moments={0: {"holdout": found}})
    body = orjson.loads(orjson.dumps(shown("5c0ffee5", account)))
    phase = read_phase(body, "5c0ffee5", WEIGHTS, HELD, OTHERS)
    assert (phase.of(HELD).users, phase.of(OTHERS).users) == (1, 0)
    other = read_phase(body, "5c0ffee5", {"a": 1, "b": 4}, "a", "b")
    assert other.arms == {}


def test_made_up_arms_and_phases_do_not_make_a_measure_unreadable() -> None:
    world = world_of()
    body: dict[str, Any] = dict(answer(world).body)
    (phase,) = body["phases"]
    made_up = [{"arm": "shop-1", "users": 9}, {"arm": ["holdout"]}]
    body["phases"] = [{"phase": 7}, {**phase, "arms": [*made_up, *phase["arms"]]}]
    seen = status(look(world, CollectorReading(body=body)))
    assert (seen.users, seen.other_users) == (1000, 4000)
    assert seen.gains


def test_a_measure_began_with_its_first_impression() -> None:
    world = world_of()
    phases: Any = answer(world).body["phases"]
    phases[0]["since"] = 1_795_000_000.5
    seen = status(look(world, answer(world, phases=phases)))
    assert seen.since == datetime.datetime.fromtimestamp(1_795_000_000.5, datetime.UTC)
    world = world_of()
    first = status(look(world, None)).since
    world.now += datetime.timedelta(hours=1)
    assert status(look(world, answer(world, 0, 0))).since == first


def test_a_look_that_read_nothing_keeps_what_was_said() -> None:
    """It began just before the measure was due."""
    world = world_of()
    first = status(look(world, answer(world)))
    world.now += datetime.timedelta(hours=1)
    assert status(look(world, None)) == first


def test_in_a_rollout_in_knative_mode_the_message_says_what_the_champion_lacks() -> None:
    words = "when the rollout has ended"
    world = world_of()
    world.edit(rollout={"traffic": "Knative"})
    assert words not in status(look(world, answer(world))).message
    world.seed(8)
    world.reconcile()
    world.now += datetime.timedelta(hours=1)
    assert words in status(look(world, answer(world))).message


def test_gauges_have_the_numbers_of_the_status() -> None:
    world = world_of()
    decision = look(world, answer(world))
    found = {
        (each.family, each.labels): each.value
        for each in model_metrics.model_metrics_of(world.observe(), decision)
        if each.family.startswith("holdout_")
    }
    seen = status(decision)
    assert found["holdout_users", ()] == 1000
    assert found["holdout_other_users", ()] == 4000
    clicks = ("ClickThroughRate",)
    assert found["holdout_difference", clicks] == seen.gains[0].difference
    assert found["holdout_lower", clicks] == seen.gains[0].low
    assert len(found) == 2 + 5 * len(seen.gains)
