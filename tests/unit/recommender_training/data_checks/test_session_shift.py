"""Shifts of sessions are tested by user: chance is not reported, injected shifts are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from recommender_contract.resource.checks import CheckLevels, DataChecks
from recommender_training.artifact import reference
from recommender_training.artifact.reference import Value
from recommender_training.data_checks import profile, session_shift
from recommender_training.data_checks.finding import Finding, Findings
from recommender_training.data_checks.sample import Sessions

Random = np.random.Generator


def sessions(random: Random, users: int = 300) -> Sessions:
    """Users with an age, a gender and a level of their own, and up to forty sessions each."""
    user = np.repeat(np.arange(users), np.minimum(random.geometric(0.2, users), 40))
    age = np.clip(random.gamma(7, 5, users).round(), 7, 80)[user]
    gender = random.choice(2, users, p=[0.3, 0.7])[user]
    length = np.minimum(random.geometric(0.12, len(user)) - 1, 20)
    mean = random.normal(3.5, 0.4, users)[user] + random.normal(0, 0.3, len(user))
    return Sessions(
        user,
        {
            "age": age.tolist(),
            "gender": gender.tolist(),
            "session_length": length.tolist(),
            "mean_value": mean.tolist(),
        },
        {"gender": ["F", "M"]},
        1.0,
    )


def found(now: Sessions, before: Sessions, *declared: list[dict[str, str]]) -> list[Finding]:
    """What warns, of two windows of sessions, with the features of users that each declares."""
    users = declared or ([], [])
    entry = [
        {
            "declaration": {"users": features},
            "active": {"users": 0},  # no rows, so no share of positives
            "shares": {},
            "sessions": profile.histograms(each),
        }
        for each, features in zip((now, before), users, strict=True)
    ]
    findings = Findings(CheckLevels())
    tests = list(session_shift.session_tests(DataChecks(), entry[0], now, entry[1]))
    session_shift.conclude(findings, DataChecks(), tests)
    return [each for each in findings.all if each.level != "pass"]


def test_a_feature_that_is_no_longer_declared_or_read_otherwise_is_not_compared() -> None:
    random = np.random.default_rng(3)
    before, now = sessions(random), sessions(random)
    before = dataclasses.replace(before, columns={**before.columns, "plan": before.columns["age"]})
    shifted: list[reference.Value] = [hour % 24 for hour in range(len(now))]
    now = dataclasses.replace(
        now,
        columns={**now.columns, "age": shifted},
        categories={**now.categories, "age": [f"{hour:02}" for hour in range(24)]},
    )
    was = [{"name": "age", "kind": "Timestamp"}, {"name": "plan", "kind": "Numeric"}]
    is_ = [{"name": "age", "kind": "Timestamp", "calendar": "HourOfDay"}]
    assert found(now, before, is_, was) == []


def test_two_windows_of_one_population_seldom_differ() -> None:
    random = np.random.default_rng(3)
    alarms = sum(bool(found(sessions(random), sessions(random))) for _ in range(60))
    assert alarms <= 2  # at the level of 0.01 more would come once in 50 such runs


def test_treating_sessions_as_independent_would_warn_by_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The design effect is what keeps the test above silent."""
    monkeypatch.setattr(session_shift, "design_effect", lambda *_: 1.0)
    monkeypatch.setattr(reference, "design_effect", lambda *_: 1.0)
    random = np.random.default_rng(3)
    pairs = [(sessions(random, 60), sessions(random, 60)) for _ in range(20)]
    assert sum(bool(found(*pair)) for pair in pairs) >= 10


def code(value: Value) -> int:
    assert not isinstance(value, tuple)
    return int(value or 0)


def change(of: Sessions, name: str, edit: Callable[[npt.NDArray[np.float64]], object]) -> Sessions:
    values = np.array(of.columns[name], dtype=np.float64)
    edited = np.asarray(edit(values), dtype=np.float64)
    listed: list[Value] = [None if np.isnan(value) else float(value) for value in edited]
    return dataclasses.replace(of, columns={**of.columns, name: listed})


@pytest.mark.parametrize(
    ("name", "edit", "check"),
    [
        ("age", lambda v: v + 15, "shift"),
        ("gender", lambda v: 0 * v, "shift"),
        ("session_length", lambda v: np.minimum(v, 2), "shift"),
        ("mean_value", lambda v: v - 1, "shift"),
        ("age", lambda v: np.where(np.arange(len(v)) % 4 == 0, np.nan, v), "nulls"),
    ],
)
def test_an_injected_shift_is_named(name: str, edit, check: str) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(4)
    before, now = sessions(random), sessions(random)
    entry = found(change(now, name, edit), before)
    assert {(each.check, each.name) for each in entry} == {(check, f"sessions.{name}")}
    assert "before" in entry[0].value


def test_categories_are_compared_by_name_and_new_ones_count() -> None:
    before = sessions(np.random.default_rng(5))
    swapped = dataclasses.replace(
        before,
        columns={**before.columns, "gender": [1 - code(v) for v in before.columns["gender"]]},
        categories={"gender": ["M", "F"]},
    )
    assert found(swapped, before) == []
    renamed = dataclasses.replace(before, categories={"gender": ["F", "male"]})
    (entry,) = found(renamed, before)
    assert entry.name == "sessions.gender"
    assert "'M' 0.0% of the sessions" in entry.value or "'male'" in entry.value


def test_one_busy_user_is_not_a_shift() -> None:
    """A third of all sessions is one user's, of another age: row-wise tests fire at once."""
    before = sessions(np.random.default_rng(6))
    extra = len(before) // 2
    busy = {"age": 99.0, "gender": 0, "session_length": 20, "mean_value": 5.0}
    columns = {name: [*values, *[busy[name]] * extra] for name, values in before.columns.items()}
    users = np.r_[before.user_S, np.full(extra, 10_000)]
    assert found(Sessions(users, columns, before.categories, 1.0), before) == []


def test_few_users_are_not_tested() -> None:
    random = np.random.default_rng(7)
    for users, tested in ((19, False), (20, True)):
        few = sessions(random, users)
        entry = {"active": {"users": 0}, "shares": {}, "sessions": profile.histograms(few)}
        assert bool(list(session_shift.session_tests(DataChecks(), entry, few, entry))) == tested
