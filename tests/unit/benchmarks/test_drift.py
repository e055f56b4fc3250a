"""The benchmark of drift counts what it says."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from recommender_operator.api.spec import DriftSpec
from tests.benchmarks import drift
from tests.benchmarks.drift_injections import INJECTIONS, Injection
from tests.benchmarks.drift_sessions import Sessions, generated

SPEC = DriftSpec(window_sessions=100)


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    return generated(seed=3, users=200)


def test_a_drift_is_confirmed_by_the_third_alarm_in_a_row_and_once() -> None:
    alarms = [True, True, False, True, True, True, True, False, True, True, True]
    assert drift.confirmed(alarms, SPEC) == [6, 11]
    assert drift.confirmed([True, True, False] * 4, SPEC) == []


def test_what_is_never_confirmed_has_no_delay_and_makes_the_worst_one_unknown() -> None:
    assert math.isinf(drift._delay([True, False], SPEC))
    assert drift._delay([True, True, True, True], SPEC) == 3.0
    assert drift._worst([3.0, None]) is None
    assert drift._worst([3.0, 4.0]) == 4.0


def test_no_user_is_on_both_sides_and_no_session_twice_in_a_window(sessions: Sessions) -> None:
    rng = np.random.default_rng(1)
    split = drift.Split.draw(sessions, rng)
    marked = Sessions(
        sessions.source,
        sessions.user,
        {**sessions.columns, "row": np.arange(len(sessions.user), dtype=np.float64)},
        sessions.categories,
    )
    rows = dataclasses.replace(split, sessions=marked).window(SPEC, rng, Injection())
    assert len(np.unique(rows["row"])) == 100
    first, second = split.arms(True, rng)
    assert not set(sessions.user[first]) & set(sessions.user[second])
    assert set(np.concatenate([first, second])) == set(split.stream)
    inside = np.setdiff1d(np.arange(len(sessions.user)), split.stream)
    assert not set(sessions.user[inside]) & set(sessions.user[split.stream])


@pytest.mark.parametrize("kind", INJECTIONS)
def test_each_injection_changes_its_windows_and_not_the_sessions(
    sessions: Sessions, kind: str
) -> None:
    split = drift.Split.draw(sessions, np.random.default_rng(1))
    before = {name: column.copy() for name, column in sessions.columns.items()}
    injection = INJECTIONS[kind]
    plain = split.window(SPEC, np.random.default_rng(2), Injection())
    rows = split.window(SPEC, np.random.default_rng(2), injection)
    injection.change(rows, np.random.default_rng(2), 3)
    assert split.stats(rows).features != split.stats(plain).features
    for name, column in sessions.columns.items():
        assert np.array_equal(column, before[name], equal_nan=True)
