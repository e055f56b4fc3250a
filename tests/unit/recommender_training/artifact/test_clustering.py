"""The design effect of sessions that share users."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from recommender_serving.artifact.reference_file import LARGEST_EFFECT
from recommender_training.artifact.reference import UNKNOWN, missing_design_effect
from recommender_training.common.arrays import Ints
from recommender_training.statistics.design_effect import LARGEST, design_effect

SESSIONS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=40)


def rao_scott(users: Ints, bins: Ints) -> float:
    """The mean design effect of two bins, without corrections."""
    share = bins.mean()
    residuals = [(bins[users == user] - share).sum() for user in np.unique(users)]
    return float(np.square(residuals).sum() / (len(bins) * share * (1 - share)))


def test_independent_sessions_have_no_design_effect() -> None:
    random = np.random.default_rng(3)
    bins = random.integers(0, 5, 4000)
    assert design_effect(np.arange(4000), bins) == 1.0
    assert design_effect(np.arange(4000) // 2, bins) == pytest.approx(1.0, abs=0.1)


def test_identical_sessions_of_a_user_count_once() -> None:
    random = np.random.default_rng(3)
    values = random.integers(0, 5, 800)
    effect = design_effect(np.repeat(np.arange(800), 6), np.repeat(values, 6))
    assert effect == pytest.approx(6.0, rel=0.1)


def test_a_feature_of_one_bin_has_no_design_effect() -> None:
    assert design_effect(np.array([1, 1, 2]), np.array([4, 4, 4])) == 1.0
    assert design_effect(np.array([], dtype=np.int64), np.array([], dtype=np.int64)) == 1.0


def test_heavy_users_of_the_common_value_do_not_hide_how_much_they_decide() -> None:
    """With the rare value, the same users would have a larger effect than the estimate."""
    sessions = np.array([40, 40, 40] + [1] * 400)
    values = np.array([1, 1, 1] + [0] * 120 + [1] * 280)
    users = np.repeat(np.arange(403), sessions)
    bins = np.repeat(values, sessions)
    kish = float((sessions**2).sum() / sessions.sum())
    assert rao_scott(users, bins) < 0.6 * kish
    assert design_effect(users, bins) > 0.8 * kish


def test_the_chance_of_an_alarm_is_at_most_that_of_the_level() -> None:
    """Of 60 users a few have most sessions, so the estimate is often far too low."""
    random, alarms = np.random.default_rng(11), {"raw": 0, "corrected": 0}
    for _ in range(400):
        sessions = 1 + random.geometric(0.25, 60) ** 2
        values = random.integers(0, 2, 60)
        users, bins = np.repeat(np.arange(60), sessions), np.repeat(values, sessions)
        if 0 < values.sum() < 60:
            deviation = (bins.mean() - 0.5) ** 2 / (bins.mean() * (1 - bins.mean()))
            statistic = deviation * len(bins)
            for name, effect in (
                ("raw", rao_scott(users, bins)),
                ("corrected", design_effect(users, bins)),
            ):
                alarms[name] += special.chdtrc(1, statistic / effect) <= 0.01
    assert alarms["corrected"] <= 6 < alarms["raw"]


def test_an_attribute_that_users_lack_is_missing_in_all_their_sessions() -> None:
    users = [user for user in range(200) for _ in range(5)]
    lacking: list[float | None] = [None if user % 10 == 0 else 30.0 for user in users]
    effect = missing_design_effect({"kind": "numeric"}, users, lacking)
    assert effect == pytest.approx(5.0, rel=0.25)
    assert missing_design_effect({"kind": "numeric"}, users, [-1.0, 30.0] * 500) == 1.0


def test_one_user_with_all_nulls_decides_the_effect_of_nulls_and_no_spread_of_bins() -> None:
    """The unknown values of single sessions do not enlarge what two bins say of the nulls."""
    users = np.repeat(np.arange(601), [3] * 600 + [50]).tolist()
    values = [None if user == 600 else 0 for user in users]
    nulls = missing_design_effect({"kind": "categorical"}, users, values)
    values[::9] = [UNKNOWN if value == 0 else value for value in values[::9]]
    both = missing_design_effect({"kind": "categorical"}, users, values)
    assert both == pytest.approx(nulls, rel=0.05)


def test_one_user_says_nothing_about_others() -> None:
    bins = np.arange(40) % 2
    assert design_effect(np.zeros(40, dtype=np.int64), bins) == 40
    assert design_effect(np.zeros(40, dtype=np.int64), np.zeros(40, dtype=np.int64)) == 1


def test_a_few_users_with_equal_parts_do_not_make_the_effect_exact() -> None:
    """Six users with one value each, in two bins: chance, and no more than six values."""
    users, bins = np.repeat(np.arange(6), 10), np.repeat(np.array([0, 1] * 3), 10)
    assert design_effect(users, bins) > 2 * rao_scott(users, bins)


def test_no_effect_exceeds_the_number_of_sessions_nor_what_serving_keeps() -> None:
    many = np.arange(1_000_100)
    assert design_effect(np.zeros_like(many), many % 2) == LARGEST_EFFECT == LARGEST
    users, bins = np.array([0] * 30 + [1, 2]), np.array([1] * 30 + [0, 0])
    assert rao_scott(users, bins) < design_effect(users, bins) <= 32


@given(SESSIONS)
def test_it_is_finite_and_at_least_one_whoever_visits(sessions: list[tuple[int, int]]) -> None:
    users, bins = (
        (np.array(column, dtype=np.int64) for column in zip(*sessions, strict=True))
        if sessions
        else (np.array([], dtype=np.int64),) * 2
    )
    effect = design_effect(users, bins)
    assert 1 <= effect <= max(1, len(sessions))
    assert effect == pytest.approx(design_effect(users[::-1], 3 - bins[::-1]))
