"""Mixed lists about which nothing is known: the steps follow in time."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tests.unit.recommender_operator.interleaving_worlds import (
    HOUR,
    mixing,
    record,
)  # fmt: skip


def test_without_an_answer_in_time_the_steps_follow() -> None:
    world = mixing()
    world.users.per_hour = 30
    world.watch(3.9 * HOUR, 60)
    assert world.steps == ()
    world.watch(0.3 * HOUR, 60)
    found = record(world)
    assert found.verdict == "Undecided"
    assert "no answer within 14400 s: 60 users with a click" in found.message
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
    world.watch(600, 60)
    found = record(world)
    assert found.verdict == "Error"
    assert words in found.message
    assert world.condition("AnalysisPassed") == ("Unknown", "ExperimentError")
    world.watch(600, 60)
    assert record(world).verdict == "Undecided"
    assert "no number for 900 s" in record(world).message
    assert world.weights_of(2)[0] == 10


def test_a_phase_in_which_nobody_is_counted_does_not_delay_the_steps_for_long() -> None:
    world = mixing()
    world.users.per_hour = 0
    world.watch(600, 60)
    assert (record(world).verdict, world.steps) == ("KeepRunning", ())
    world.watch(600, 60)
    assert "no number for 900 s: no user was counted yet" in record(world).message
    assert world.weights_of(2)[0] == 10


def test_a_collector_that_is_gone_for_minutes_does_not_end_the_phase() -> None:
    world = mixing()
    for _ in range(3):
        world.users.error = ""
        world.watch(300, 60)
        assert record(world).verdict == "KeepRunning"
        world.users.error = "gone"
        world.watch(600, 60)
        assert record(world).verdict == "Error"
    world.watch(600, 60)
    assert record(world).verdict == "Undecided"


def test_the_time_without_a_number_stands_still_in_a_pause() -> None:
    world = mixing()
    world.users.error = "gone"
    world.edit(paused=True)
    world.watch(HOUR, 60)
    assert record(world).runs
