from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recommender_operator.experiments import sample_ratio
from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.plan import Phase


def phase(users: dict[str, int], weights: dict[str, float], mixed: int = 0) -> Phase:
    return Phase(
        number=3,
        weights=weights,
        champion="a",
        candidate="b",
        arms={arm: Moments(count, {}, {}) for arm, count in users.items()},
        mixed=mixed,
    )


@given(st.lists(st.tuples(st.integers(500, 10**6), st.floats(0.2, 1.0)), min_size=2, max_size=5))
def test_the_p_value_is_that_of_scipys_chi_square_test(arms: list[tuple[int, float]]) -> None:
    names = "abcde"[: len(arms)]
    users = {name: count for name, (count, _) in zip(names, arms, strict=True)}
    weights = {name: weight for name, (_, weight) in zip(names, arms, strict=True)}
    total, scale = sum(users.values()), sum(weights.values())
    expected = stats.chisquare(
        list(users.values()), [total * weights[name] / scale for name in names]
    )
    found = sample_ratio.p_value(phase(users, weights))
    assert found == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-200)


def test_arms_that_do_not_fit_their_weights_are_a_problem() -> None:
    weights = {"a": 80.0, "b": 20.0}
    assert sample_ratio.problem(phase({"a": 80_100, "b": 19_900}, weights)) == ""
    text = sample_ratio.problem(phase({"a": 80_000, "b": 19_000}, weights))
    assert "phase 3" in text
    assert "a 80000, b 19000" in text


def test_the_level_is_strict_because_it_is_looked_at_often() -> None:
    # 3.3 standard errors off: p = 0.001.
    users = {"a": 50_000 + 522, "b": 50_000 - 522}
    found = sample_ratio.p_value(phase(users, {"a": 1.0, "b": 1.0}))
    assert found == pytest.approx(0.001, rel=0.05)
    assert sample_ratio.problem(phase(users, {"a": 1.0, "b": 1.0})) == ""


def test_an_arm_without_traffic_is_a_problem() -> None:
    weights = {"a": 95.0, "b": 5.0}
    assert sample_ratio.problem(phase({"a": 2000}, weights))
    assert sample_ratio.problem(phase({"a": 2000, "b": 0}, weights))
    # An arm that should have none and has users.
    assert sample_ratio.problem(phase({"a": 2000, "c": 1, "b": 100}, weights))


def test_few_users_are_not_tested() -> None:
    weights = {"a": 95.0, "b": 5.0}
    for users in ({}, {"a": 900}, {"a": 0, "b": 0}):
        assert sample_ratio.p_value(phase(users, weights)) is None
        assert sample_ratio.problem(phase(users, weights)) == ""


@pytest.mark.parametrize(("mixed", "bad"), [(0, False), (150, False), (300, True)])
def test_many_users_in_two_arms_are_a_problem(mixed: int, bad: bool) -> None:
    given_ = phase({"a": 10_000, "b": 10_000}, {"a": 1.0, "b": 1.0}, mixed)
    assert bool(sample_ratio.problem(given_)) is bad


def test_a_handful_of_users_in_two_arms_is_no_problem_yet() -> None:
    assert sample_ratio.problem(phase({"a": 40, "b": 40}, {"a": 1.0, "b": 1.0}, mixed=10)) == ""
    assert sample_ratio.mixed_share(phase({}, {"a": 1.0, "b": 1.0})) == 0.0
