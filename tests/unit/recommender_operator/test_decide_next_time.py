"""Time alone changes nothing before the time that a decision names."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from recommender_operator.decide import decide
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.snapshot_worlds import SOURCE
from tests.unit.recommender_operator.world import World

#: The pause between two reconciles of an idle model by default.
WAIT = 300.0
SNAPSHOTS = {**SOURCE, "snapshots": {"every": "Hourly", "keep": 7}}
LIVES: dict[str, dict[str, Any]] = {
    "without drift monitoring": {"retrain": {"drift": {"enabled": False}}},
    # Without a previous version, which the champion would be compared with.
    "while a drift window fills": {
        "retrain": {"drift": {"enabled": True, "windowSessions": 1_000_000}},
        "serving": {"keepPrevious": False},
    },
    "with snapshots": {"retrain": {"drift": {"enabled": False}}, "data": SNAPSHOTS},
    "without the previous version": {
        "retrain": {"drift": {"enabled": False}},
        "serving": {"keepPrevious": False},
    },
    "with a holdout": {
        "retrain": {"drift": {"enabled": False}},
        "serving": {"impressions": 1, "holdout": {"percent": 5}},
    },
    "paused": {"retrain": {"drift": {"enabled": False}}, "paused": True},
}


@pytest.mark.parametrize("life", LIVES)
def test_a_decision_is_the_same_until_the_time_that_it_names(life: str) -> None:
    sections = LIVES[life]
    world = World(spec=spec(**{**sections, "paused": False}))
    world.settle()
    for seed in (2, 3):
        world.seed(seed)
        world.settle()
    world.edit(paused=sections.get("paused", False))
    for _ in range(5):
        world.tick()
        world.reconcile()
        world.finish_jobs()
    observed = world.observe()
    first = decide(observed, world.now)
    assert first.actions == ()
    assert first.requeue_after is not None
    # While a window fills, `requeue_after` is the next reading of its counters.
    rest = first.filling.rest if first.filling else first.requeue_after.total_seconds()
    assert rest >= WAIT
    for seconds in range(0, int(rest), 60):
        later = decide(observed, world.now + datetime.timedelta(seconds=seconds))
        assert later.actions == ()
        assert later.events == ()
        assert later.status == first.status
