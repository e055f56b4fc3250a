from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recommender_training.evaluation.interleaving import preference, team_draft

SEEDS = st.integers(0, 2**31)
RANKINGS = st.lists(st.integers(0, 30), unique=True, max_size=15)


def draft(
    first: list[int], second: list[int], length: int, seed: int
) -> tuple[list[int], list[bool]]:
    return team_draft(first, second, length, np.random.default_rng(seed))


@given(RANKINGS, RANKINGS, st.integers(0, 20), SEEDS)
def test_a_list_has_each_item_once_and_each_ranker_its_best_ones(
    first: list[int], second: list[int], length: int, seed: int
) -> None:
    items, teams = draft(first, second, length, seed)
    assert len(items) == len(teams) == len(set(items)) <= length
    for place, (item, team) in enumerate(zip(items, teams, strict=True)):
        left = [i for i in (first if team else second) if i not in items[:place]]
        assert item == left[0]


@given(RANKINGS, RANKINGS, st.integers(0, 20), SEEDS)
def test_both_rankers_have_as_many_items_at_every_even_place(
    first: list[int], second: list[int], length: int, seed: int
) -> None:
    _, teams = draft(first, second, length, seed)
    for place in range(0, len(teams) + 1, 2):
        assert sum(teams[:place]) == place // 2


@given(RANKINGS, st.integers(0, 10), SEEDS)
def test_rankers_that_agree_leave_their_list_as_it_is(
    ranking: list[int], length: int, seed: int
) -> None:
    items, _ = draft(ranking, ranking, length, seed)
    assert items == ranking[: len(items)]
    # The last item of an odd number has no partner.
    assert len(items) >= min(length, len(ranking) - len(ranking) % 2)


def test_chance_decides_in_every_round_anew_who_chooses_first() -> None:
    rng = np.random.default_rng(1)
    teams = np.array([team_draft(range(10), range(20, 30), 4, rng)[1] for _ in range(4000)])
    assert teams.mean(axis=0) == pytest.approx([0.5] * 4, abs=0.03)
    assert np.mean(teams[:, 0] == teams[:, 2]) == pytest.approx(0.5, abs=0.03)


@given(SEEDS, st.integers(60, 300), st.floats(0.2, 0.8))
def test_the_p_value_is_that_of_a_test_of_the_users_means(
    seed: int, users: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), rng.integers(1, 6, users))
    from_first = rng.random(len(user)) < rng.beta(5 * share, 5 * (1 - share), users)[user]
    found = preference(user, from_first)
    scores = [np.where(from_first[user == u], -1, 1).mean() for u in range(users)]
    expected = stats.ttest_1samp(scores, 0)
    assert found.value == pytest.approx(np.mean(scores))
    assert found.p_value is not None
    assert found.low is not None
    statistic = stats.norm.isf(found.p_value / 2)
    assert statistic == pytest.approx(abs(expected.statistic), rel=1e-6, abs=1e-6)
    assert found.low == pytest.approx(expected.confidence_interval().low, abs=0.02)
    swapped = preference(user, ~from_first)
    assert (swapped.value, swapped.p_value) == pytest.approx((-found.value, found.p_value))


def test_without_a_preference_it_errs_within_its_level() -> None:
    rng = np.random.default_rng(20261127)
    found = []
    for _ in range(1000):
        # Some users click much, and each on his own kind of items, of either ranker.
        user = np.repeat(np.arange(80), 1 + rng.poisson(rng.gamma(1, 4, 80)))
        from_first = rng.random(len(user)) < rng.beta(0.5, 0.5, 80)[user]
        found.append(preference(user, from_first).p_value)
    errors = np.mean([p is not None and p <= 0.05 for p in found])
    assert errors == pytest.approx(0.05, abs=0.025)


def test_a_better_ranker_is_found() -> None:
    rng = np.random.default_rng(1)
    user = np.repeat(np.arange(200), 3)
    found = preference(user, rng.random(600) < 0.4)
    assert found.value == pytest.approx(0.2, abs=0.1)
    assert found.low is not None
    assert found.low > 0


def test_one_user_with_a_million_clicks_counts_once() -> None:
    rng = np.random.default_rng(1)
    user = np.concatenate([np.repeat(np.arange(1, 101), 2), np.zeros(10**6, dtype=np.int64)])
    from_first = np.concatenate([rng.random(200) < 0.5, np.ones(10**6, dtype=bool)])
    found = preference(user, from_first)
    others = preference(user[:200], from_first[:200])
    assert abs(found.value - others.value) < 2 / 101


def test_few_users_have_no_p_value() -> None:
    nobody = preference(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool))
    assert (nobody.users, nobody.p_value) == (0, None)
    few = preference(np.arange(29), np.zeros(29, dtype=bool))
    assert (few.value, few.p_value, few.low) == (1.0, None, None)
    # Users who click on both alike prefer neither.
    both = preference(np.repeat(np.arange(50), 2), np.tile([True, False], 50))
    assert (both.value, both.users, both.p_value) == (0.0, 50, None)
    alike = preference(np.arange(30), np.zeros(30, dtype=bool))
    assert alike.p_value == 0.0


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="each click"):
        preference(np.arange(3), np.ones(2, dtype=bool))
