import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recommender_operator.analysis import distributions

BINS = st.dictionaries(st.sampled_from("0123456789"), st.integers(0, 500))


@given(st.lists(st.tuples(st.integers(20, 500), st.integers(20, 500)), min_size=2, max_size=12))
def test_where_no_cell_is_sparse_the_test_is_scipys_contingency_test(
    cells: list[tuple[int, int]],
) -> None:
    here = {str(i): a for i, (a, _) in enumerate(cells)}
    there = {str(i): b for i, (_, b) in enumerate(cells)}
    table = [list(here.values()), list(there.values())]
    expected = stats.chi2_contingency(table, correction=False)
    minimum = float(stats.contingency.expected_freq(table).min())
    if minimum >= 5:
        assert distributions.homogeneity(here, there) == pytest.approx(
            expected.pvalue, rel=1e-8, abs=1e-290
        )


@given(BINS, BINS)
def test_all_measures_are_symmetric_and_in_their_range(
    here: dict[str, int], there: dict[str, int]
) -> None:
    for measure, highest in (
        (distributions.homogeneity, 1.0),
        (distributions.total_variation, 1.0),
        (distributions.stability_index, math.inf),
    ):
        value = measure(here, there)
        assert 0 <= value <= highest
        assert measure(there, here) == pytest.approx(value, rel=1e-9, abs=1e-12)


@given(BINS)
def test_a_sample_is_at_no_distance_from_itself(bins: dict[str, int]) -> None:
    assert distributions.total_variation(bins, bins) == 0
    assert distributions.homogeneity(bins, bins) == 1
    assert distributions.stability_index(bins, bins) == pytest.approx(0)


def test_the_level_holds_with_many_rare_categories() -> None:
    rng = np.random.default_rng(4)
    shares = np.r_[0.5, 0.3, np.full(200, 0.001)]
    fired = 0
    for _ in range(400):
        a, b = rng.multinomial(100, shares), rng.multinomial(10_000, shares)
        here, there = ({str(i): int(v) for i, v in enumerate(x)} for x in (a, b))
        fired += distributions.homogeneity(here, there) <= 0.01
    # 4 of 400 are expected at the level; without pooling it is more than 50.
    assert fired <= 12


def test_the_distance_is_free_of_the_sample_size() -> None:
    rng = np.random.default_rng(3)
    shares = np.full(20, 0.05)
    shifted = shares.copy()
    shifted[:10] += 0.02
    shifted[10:] -= 0.02
    for n in (500, 5000, 50000):
        plain, none, some = [], [], []
        for _ in range(60):
            a, b, c = (
                rng.multinomial(n, shares),
                rng.multinomial(n, shares),
                rng.multinomial(n, shifted),
            )
            one, two, three = ({str(i): int(v) for i, v in enumerate(x)} for x in (a, b, c))
            plain.append(np.abs(a - b).sum() / n / 2)
            none.append(distributions.total_variation(one, two))
            some.append(distributions.total_variation(one, three))
        assert np.mean(none) < 0.5 * np.mean(plain)
        assert np.mean(some) == pytest.approx(0.2, abs=0.05 if n == 500 else 0.025)


def test_values_are_separated_from_nulls_and_unknowns() -> None:
    assert distributions.values({"0": 1, "null": 2, "unknown": 3}) == {"0": 1}


@given(st.floats(1, 50), st.floats(2, 10**6))
def test_the_design_effect_is_as_given_at_the_size_of_the_reference(
    design_effect: float, sessions: float
) -> None:
    at = distributions.design_effect_at
    assert at(design_effect, sessions, sessions) == pytest.approx(design_effect)
    assert at(design_effect, sessions, 1) == 1
    assert 1 <= at(design_effect, sessions, sessions / 2) <= design_effect + 1e-9


@given(st.floats(1, 50), st.integers(2, 10**5), st.integers(1, 10**5), st.floats(0.01, 1))
def test_a_window_of_fewer_users_has_a_larger_design_effect_up_to_that_of_the_reference(
    design_effect: float, reference: int, sessions: int, share: float
) -> None:
    of_all = distributions.design_effect_at(design_effect, reference, sessions)
    of_some = distributions.design_effect_at(design_effect, reference, sessions, share)
    assert of_all <= of_some <= max(of_all, design_effect) + 1e-9
    if sessions / share < reference and sessions > 1:
        # As a window of all users with so many sessions more.
        longer = distributions.design_effect_at(design_effect, reference, sessions / share)
        assert of_some == pytest.approx(longer)


@given(st.floats(1, 1e300), st.integers(1, 10**6))
def test_no_design_effect_leaves_sessions_worth_less_than_fifty(
    design_effect: float, sessions: int
) -> None:
    effect = distributions.bounded(design_effect, sessions)
    assert 1 <= effect <= design_effect
    assert sessions / effect >= min(sessions, distributions.LEAST_WORTH) - 1e-9


@given(BINS, BINS, st.floats(1, 50))
def test_a_larger_design_effect_never_increases_the_distance(
    here: dict[str, int], there: dict[str, int], design_effect: float
) -> None:
    alike = [distributions.effective(bins, design_effect) for bins in (here, there)]
    plain = distributions.total_variation(here, there)
    assert distributions.total_variation(*alike) <= plain + 1e-12
