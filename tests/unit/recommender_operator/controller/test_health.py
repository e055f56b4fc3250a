"""Liveness measures progress: it fails only if a restart helps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.controller.health import GAP, Health, Limits, StaleError
from recommender_operator.controller.schedule import Schedule


class Liveness:
    def __init__(self) -> None:
        self.time = 0.0
        self.schedule: Schedule[str] = Schedule(2000, jitter=lambda: 0.5)
        limits = Limits(stalled=10, working=20, watch=150)
        self.health: Health[str] = Health(self.schedule, limits, clock=lambda: self.time)


def test_an_idle_operator_is_alive() -> None:
    rig = Liveness()
    rig.time = 1e6
    figures = rig.health.check()
    assert figures == {"stalled": 0, "working": 0, "watch": 0, "waiting": 0}


def test_due_models_while_no_look_ends_require_a_restart() -> None:
    rig = Liveness()
    rig.schedule.add("a", 0)
    rig.time = 10
    rig.health.check()
    rig.time = 11
    with pytest.raises(StaleError, match="no reconcile has ended for 11 s, the limit is 10 s"):
        rig.health.check()


def test_a_thousand_due_models_require_no_restart_while_looks_end() -> None:
    rig = Liveness()
    for number in range(1000):
        rig.schedule.add(f"m{number}", 0)
    for _ in range(1000):
        taken = rig.schedule.take(rig.time)
        assert taken is not None
        rig.time += 9
        rig.schedule.done(taken[0], rig.time)
        rig.health.check()
    assert rig.time > 8000


def test_an_api_outage_of_ten_minutes_requires_no_restart() -> None:
    """Each look fails at its own limit, and the watch delivers nothing."""
    rig = Liveness()
    for number in range(30):
        rig.schedule.add(f"m{number}", 0)
    rig.health.watched("m0", 1)
    rig.health.read("m0", 2)
    while rig.time < 600:
        taken = rig.schedule.take(rig.time)
        if taken is None:
            rig.time = rig.schedule.next_change() or rig.time
            continue
        rig.time += 9
        rig.schedule.failed(taken[0], rig.time)
        rig.health.check()
    rig.health.read("m0", 2)
    rig.health.check()


def test_a_look_that_never_ends_requires_a_restart() -> None:
    rig = Liveness()
    rig.schedule.add("a", 0)
    rig.schedule.take(0)
    rig.time = 21
    with pytest.raises(StaleError, match="one reconcile runs for 21 s"):
        rig.health.check()
    rig.schedule.done("a", 21)
    rig.health.check()


def test_a_watch_that_misses_a_change_requires_a_restart() -> None:
    rig = Liveness()
    rig.health.watched("a", 1)
    rig.health.read("a", 1)
    for rig.time in (0.0, 50.0, 100.0, 150.0):
        rig.health.read("a", 2)
        rig.health.check()
    rig.time = 151
    rig.health.read("a", 3)
    with pytest.raises(StaleError, match="watch has missed"):
        rig.health.check()
    rig.health.watched("a", 2)
    rig.health.check()


@given(st.lists(st.floats(0.1, 5000), min_size=1, max_size=20))
def test_time_without_reads_hardly_counts_as_missed_by_the_watch(gaps: list[float]) -> None:
    rig = Liveness()
    rig.health.read("a", 1)
    for gap in gaps:
        rig.time += gap
        rig.health.read("a", 1)
    counted = sum(min(GAP, gap) for gap in gaps)
    try:
        rig.health.check()
    except StaleError:
        assert counted > 150
    else:
        assert counted <= 150 + 1e-6


def test_a_watch_may_lag_briefly_behind_a_read() -> None:
    rig = Liveness()
    rig.health.read("a", 1)
    rig.time = 5
    rig.health.watched("a", 1)
    rig.time = 1000
    rig.health.read("a", 1)
    rig.health.check()


def test_a_deleted_model_does_not_count_as_missed_by_the_watch() -> None:
    rig = Liveness()
    for rig.time in range(0, 1000, 50):
        rig.health.read("a", 1)
    rig.health.gone("a")
    rig.health.check()
