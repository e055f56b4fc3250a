"""Whom users prefer, by their clicks in lists that mix the items of two versions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recommender_operator.experiments.arm_moments import Moments
from recommender_operator.experiments.confidence_sequences import multiplier
from recommender_operator.extensions.interleaving.interleaving_preference import (
    InterleavingVerdict,
    Preference,
    preference,
)

SEEDS = st.integers(0, 2**31)


def moments(scores: np.ndarray, shown: int | None = None) -> Moments:
    """Sums as the collector keeps them, of users with these preferences, and others."""
    ahead, behind = np.maximum(scores, 0), np.maximum(-scores, 0)
    clicked = np.ones_like(scores)
    columns = {"ahead": ahead, "behind": behind, "clicked": clicked}
    products = {
        f"{a}*{b}": float(columns[a] @ columns[b]) for a in columns for b in columns if a <= b
    }
    sums = {name: float(column.sum()) for name, column in columns.items()}
    return Moments(users=shown or len(scores), sums=sums, products=products)


def judged(scores: np.ndarray, enough: int = 1000, alpha: float = 0.05) -> Preference:
    return preference(moments(scores), alpha=alpha, enough=enough)


@given(SEEDS, st.integers(200, 2000), st.floats(-0.3, 0.3))
def test_value_and_interval_are_those_of_the_users_mean(
    seed: int, users: int, shift: float
) -> None:
    scores = np.clip(np.random.default_rng(seed).normal(shift, 0.5, users), -1, 1)
    found = judged(scores)
    expected = stats.ttest_1samp(scores, 0)
    error = scores.mean() / expected.statistic
    assert (found.users, found.clicked) == (users, users)
    assert found.value == pytest.approx(scores.mean())
    assert found.low is not None
    assert found.high is not None
    half = multiplier(users, 0.05) * error
    assert found.low == pytest.approx(max(-1, scores.mean() - half), abs=1e-6)
    assert found.high == pytest.approx(min(1, scores.mean() + half), abs=1e-6)


@given(SEEDS, st.integers(0, 800), st.floats(-0.9, 0.9))
def test_who_is_preferred_is_the_other_one_if_the_versions_change_places(
    seed: int, users: int, shift: float
) -> None:
    scores = np.clip(np.random.default_rng(seed).normal(shift, 0.5, users), -1, 1)
    one, other = judged(scores, enough=500), judged(-scores, enough=500)
    swapped = {
        InterleavingVerdict.PREFERRED: InterleavingVerdict.WORSE,
        InterleavingVerdict.WORSE: InterleavingVerdict.PREFERRED,
    }
    assert other.outcome == swapped.get(one.outcome, one.outcome)


def few_clicks_of_many_kinds(rng: np.random.Generator, users: int) -> np.ndarray:
    """Some users click much, and each on a kind of items of its own, of either version."""
    clicks = 1 + rng.poisson(rng.gamma(1, 4, users))
    theirs = rng.binomial(clicks, rng.beta(0.5, 0.5, users))
    return (2 * theirs - clicks) / clicks


def once(rng: np.random.Generator, users: int) -> np.ndarray:
    """Each user has one click."""
    return rng.choice([-1.0, 1.0], users)


def seldom_and_skewed(rng: np.random.Generator, users: int) -> np.ndarray:
    """Few prefer the champion by far, many the candidate by little; nobody on average."""
    return np.where(rng.random(users) < 0.1, -0.9, 0.1)


@pytest.mark.parametrize("users", [few_clicks_of_many_kinds, once, seldom_and_skewed])
def test_without_a_preference_a_candidate_is_seldom_rolled_back_however_often_one_looks(
    users: object,
) -> None:
    """150 phases with a look after every 200 users: at most 5 % (and 2 standard errors of it)."""
    rng, worse = np.random.default_rng(20261128), 0
    for _ in range(150):
        scores = users(rng, 2000)  # type: ignore[operator]
        looks = (judged(scores[:count], enough=10**6) for count in range(200, 2001, 200))
        worse += any(found.outcome is InterleavingVerdict.WORSE for found in looks)
    assert worse / 150 <= 0.05 + 2 * (0.05 * 0.95 / 150) ** 0.5


def test_the_same_looks_with_the_limits_of_a_plain_test_would_err_more_often() -> None:
    """What the sequence is for: looks with 1.64 standard errors."""
    rng, worse = np.random.default_rng(20261128), 0
    for _ in range(100):
        scores = once(rng, 3000)
        found = [judged(scores[:count]) for count in range(100, 3001, 100)]
        worse += any(
            (each.value or 0) + 1.645 * ((each.high or 0) - (each.value or 0))
            / multiplier(each.clicked, 0.05) < 0
            for each in found
        )  # fmt: skip
    assert worse / 100 > 0.12


def test_a_clear_preference_is_found_before_the_stated_number_of_users() -> None:
    rng = np.random.default_rng(1)
    scores = np.where(rng.random(800) < 0.6, 1.0, -1.0)
    found = judged(scores)
    assert found.outcome is InterleavingVerdict.PREFERRED
    assert found.low is not None
    assert found.low > 0
    assert judged(-scores).outcome is InterleavingVerdict.WORSE


def test_a_candidate_that_is_not_worse_passes_at_the_stated_number_of_users() -> None:
    scores = np.tile([1.0, -1.0], 600)
    assert judged(scores[:998]).outcome is InterleavingVerdict.KEEP_RUNNING
    assert judged(scores[:1000]).outcome is InterleavingVerdict.NOT_WORSE


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros(0), np.ones(1), -np.ones(99), np.zeros(5000),
        np.concatenate([np.zeros(5000), -np.ones(29)]),
    ],
)  # fmt: skip
def test_of_few_users_with_a_preference_nothing_is_said(scores: np.ndarray) -> None:
    found = judged(scores)
    assert found.outcome is InterleavingVerdict.KEEP_RUNNING
    assert (found.low, found.high) == (None, None)


def test_users_who_all_prefer_the_same_version_decide() -> None:
    found = judged(-np.ones(200))
    assert (found.outcome, found.low, found.high) == (InterleavingVerdict.WORSE, -1, -1)


@pytest.mark.parametrize(
    ("name", "value"), [("clicked", 301), ("clicked", 10.5), ("ahead", 250.0)]
)
def test_sums_that_contradict_each_other_are_refused(name: str, value: float) -> None:
    good = moments(np.tile([1.0, -1.0], 100), 300)
    sums = {**good.sums, name: value}
    products = dict.fromkeys(good.products, 1000000.0)
    with pytest.raises(ValueError, match="impossible"):
        preference(Moments(users=300, sums=sums, products=products), alpha=0.05, enough=100)
