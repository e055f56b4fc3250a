import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.analysis.histogram import Histogram

BOUNDS = (0.01, 0.1, 0.5, 1.0, math.inf)
COUNTS = st.lists(st.integers(0, 1000), min_size=5, max_size=5)


def test_quantiles_are_those_of_prometheus() -> None:
    # histogram_quantile() over le 0.01: 10, 0.1: 30, 0.5: 90, 1: 100, +Inf: 100.
    histogram = Histogram(BOUNDS, (10, 20, 60, 10, 0))
    assert histogram.quantile(0.05) == pytest.approx(0.005)
    assert histogram.quantile(0.5) == pytest.approx(0.1 + 0.4 * 20 / 60)
    assert histogram.quantile(0.99) == pytest.approx(0.95)
    assert histogram.quantile(1.0) == 1.0


def test_a_quantile_above_the_last_finite_bound_is_not_given_as_that_bound() -> None:
    assert Histogram(BOUNDS, (0, 0, 0, 98, 2)).quantile(0.99) == math.inf


def test_no_observation_has_no_quantile() -> None:
    assert math.isnan(Histogram(BOUNDS, (0,) * 5).quantile(0.5))
    assert math.isnan(Histogram().quantile(0.5))


@given(COUNTS, st.floats(0, 1), st.floats(0, 1))
def test_quantiles_never_fall(counts: list[int], one: float, other: float) -> None:
    histogram = Histogram(BOUNDS, tuple(counts))
    if histogram.total:
        low, high = sorted((one, other))
        assert 0 <= histogram.quantile(low) <= histogram.quantile(high)


@given(st.lists(st.floats(0, 2), min_size=1, max_size=200), st.floats(0.001, 1))
def test_the_certain_count_above_a_latency_never_exceeds_the_true_count(
    latencies: list[float], limit: float
) -> None:
    histogram = observed(latencies)
    truly = sum(latency > limit for latency in latencies)
    assert histogram.surely_above(limit) <= truly
    assert histogram.surely_above(limit) <= histogram.about_above(limit) <= histogram.total


@given(st.lists(st.floats(0, 2), max_size=200), st.sampled_from(BOUNDS[:-1]))
def test_at_a_bound_of_a_bucket_the_count_above_is_exact(
    latencies: list[float], limit: float
) -> None:
    histogram = observed(latencies)
    truly = sum(latency > limit for latency in latencies)
    assert histogram.surely_above(limit) == histogram.about_above(limit) == truly


@given(st.lists(st.floats(0, 2), max_size=50))
def test_cumulative_counts_and_counts_by_bucket_say_the_same(latencies: list[float]) -> None:
    cumulative = {bound: float(sum(x <= bound for x in latencies)) for bound in BOUNDS}
    assert Histogram.from_cumulative(cumulative) == observed(latencies)


def test_without_a_total_there_is_no_histogram() -> None:
    assert Histogram.from_cumulative({0.1: 5.0}) == Histogram()


@pytest.mark.parametrize("args", [((0.1, 1.0), (1, 2)), ((math.inf,), (1, 2))])
def test_invalid_buckets_are_refused(
    args: tuple[tuple[float, ...], tuple[int, ...]],
) -> None:
    with pytest.raises(ValueError, match="bound"):
        Histogram(*args)


def observed(latencies: list[float]) -> Histogram:
    counts = [0] * len(BOUNDS)
    for latency in latencies:
        counts[next(i for i, bound in enumerate(BOUNDS) if latency <= bound)] += 1
    return Histogram(BOUNDS, tuple(counts))
