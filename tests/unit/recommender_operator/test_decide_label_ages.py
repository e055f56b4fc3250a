"""How long numbers of labels act: they come late, and say little about the present in the end."""

from __future__ import annotations

import datetime

import pytest

from recommender_operator.observed import CollectorReading
from tests.unit.recommender_operator.drift_worlds import look, serving
from tests.unit.recommender_operator.test_decide_drift_causes import SWAPPED, labelled


def test_numbers_that_are_old_start_nothing() -> None:
    world, oracle = serving()
    labelled(world, SWAPPED)
    world.now += datetime.timedelta(days=20)
    look(world, oracle, 1)
    labels = world.status.drift.labels
    assert labels is not None
    assert (labels.verdict, labels.breaches_in_a_row) == ("Inconclusive", 0)
    assert "no whole week since 2026-01-30" in labels.message
    assert world.status.retrain is None


@pytest.mark.parametrize("is_down", [False, True], ids=["answers", "answers no more"])
def test_numbers_that_came_late_because_events_may_are_not_old(is_down: bool) -> None:
    """With events of up to 30 days ago a week is known only when it is long over."""
    world, oracle = serving()
    world.edit(retrain={"onDrift": False})
    labelled(world, SWAPPED)
    assert world.outcomes is not None
    late = {"closesAfterSeconds": 31 * 86_400}
    world.outcomes = CollectorReading(body={**world.outcomes.body, **late})
    world.now += datetime.timedelta(days=31)
    look(world, oracle, 1)
    if is_down:
        world.outcomes = CollectorReading(error="gone")
    world.now += datetime.timedelta(days=10)
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "LossRose")
    world.now += datetime.timedelta(days=10)
    look(world, oracle, 1)
    assert world.condition("Drifted")[0] == "False"


def test_numbers_of_a_collector_that_answers_no_more_end_with_time() -> None:
    world, oracle = serving()
    world.edit(retrain={"onDrift": False})
    labelled(world, SWAPPED)
    look(world, oracle, 1)
    world.outcomes = CollectorReading(error="gone")
    look(world, oracle, 1)
    assert world.condition("Drifted") == ("True", "LossRose")
    world.now += datetime.timedelta(days=20)
    look(world, oracle, 1)
    assert world.condition("Drifted")[0] == "False"
    assert world.status.drift.labels is not None
    assert world.status.drift.labels.verdict == "Error"
