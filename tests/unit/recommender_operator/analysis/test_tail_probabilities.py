import math
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recommender_operator.analysis import tail_probabilities


@given(st.floats(1e-6, 2000), st.integers(1, 300))
def test_chi_square_tails_are_scipys(statistic: float, degrees: int) -> None:
    expected = stats.chi2.sf(statistic, degrees)
    assert tail_probabilities.chi_square_tail(statistic, degrees) == pytest.approx(
        expected, rel=1e-9, abs=1e-290
    )


@given(st.integers(0, 20_000), st.floats(0.01, 0.99), st.data())
def test_binomial_tails_above_the_mean_are_scipys(
    trials: int, share: float, data: st.DataObject
) -> None:
    hits = data.draw(st.integers(0, trials))
    expected = stats.binom.sf(hits - 1, trials, share) if hits > trials * share else 1.0
    exact = trials <= 10_000
    tail = tail_probabilities.binomial_tail(hits, trials, share)
    assert tail == pytest.approx(
        expected, rel=1e-6 if exact else 0.1, abs=1e-12 if exact else 5e-3
    )


@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_the_test_of_two_shares_is_fishers_exact_one(n: int, m: int, data: st.DataObject) -> None:
    here, there = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    both = here + there
    ways = sum(
        math.comb(n, k) * math.comb(m, both - k)
        for k in range(here, min(n, both) + 1)
        if m >= both - k
    )
    exact = float(Fraction(ways, math.comb(n + m, both)))
    assert tail_probabilities.more_often(here, n, there, m) == pytest.approx(
        exact, rel=1e-9, abs=1e-290
    )


@pytest.mark.parametrize(
    "counts", [(25, 500, 100, 5000), (3, 500, 0, 4000), (260, 500, 900, 2000)]
)
def test_the_test_of_two_shares_agrees_with_scipy(counts: tuple[int, int, int, int]) -> None:
    hits, trials, others, other_trials = counts
    table = [[hits, trials - hits], [others, other_trials - others]]
    expected = stats.fisher_exact(table, alternative="greater").pvalue
    assert tail_probabilities.more_often(*counts) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_keeps_the_order_and_is_between_plain_and_bonferroni(p_values: list[float]) -> None:
    adjusted = tail_probabilities.holm(p_values)
    for plain, corrected in zip(p_values, adjusted, strict=True):
        assert plain <= corrected <= min(1.0, plain * len(p_values)) + 1e-12
    ranks = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[i] for i in ranks] == sorted(adjusted)


def test_holm_is_that_of_the_textbook() -> None:
    assert tail_probabilities.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )


def test_one_window_of_tails_takes_milliseconds() -> None:
    start = time.process_time()
    for i in range(30):
        tail_probabilities.chi_square_tail(20.0 + i, 19)
        tail_probabilities.more_often(25 + i, 500, 100, 5000)
    assert time.process_time() - start < 2, "a window must not hold the operator's loop"


def test_the_ends_are_exact() -> None:
    assert (
        tail_probabilities.chi_square_tail(0.0, 3)
        == tail_probabilities.chi_square_tail(5.0, 0)
        == 1.0
    )
    assert (
        tail_probabilities.more_often(0, 0, 1, 2)
        == tail_probabilities.more_often(1, 1, 0, 0)
        == 1.0
    )
    assert tail_probabilities.more_often(0, 5, 3, 5) == 1.0
    assert tail_probabilities.more_often(10**5, 10**6, 10**5, 10**6) == pytest.approx(
        0.5, abs=0.01
    )
