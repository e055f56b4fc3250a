import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.analysis import sequential
from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.histogram import Histogram
from recommender_operator.analysis.step_metrics import METRIC_ALPHA, MIN_HITS
from recommender_operator.analysis.step_verdict import evaluate
from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.api.spec import AnalysisSpec
from tests.unit.recommender_operator.analysis.test_step_verdict import UPPERS, served

COUNTS = st.lists(st.integers(0, 400), min_size=len(UPPERS), max_size=len(UPPERS))


@given(st.integers(1, 3000), st.floats(0.001, 0.999), st.data())
def test_a_share_is_beyond_its_limit_exactly_if_its_whole_interval_is(
    trials: int, limit: float, data: st.DataObject
) -> None:
    hits = data.draw(st.integers(0, trials))
    low, high = sequential.share_interval(hits, trials, METRIC_ALPHA)
    assert 0 <= low <= hits / trials <= high <= 1
    beyond = sequential.above(hits, trials, limit, METRIC_ALPHA)
    # The bounds are found by bisection, up to 1e-6.
    if abs(low - limit) > 2e-6:
        assert beyond == (low > limit)


@given(COUNTS, st.sampled_from([0.5, 0.9, 0.99]))
def test_the_interval_of_a_quantile_has_the_quantile_inside(counts: list[int], q: float) -> None:
    histogram = Histogram(UPPERS, tuple(counts))
    low, high = sequential.quantile_interval(histogram, q, METRIC_ALPHA)
    assert low < high
    if histogram.total:
        assert low <= histogram.quantile(q) <= high


def test_the_interval_of_a_quantile_narrows_with_the_data() -> None:
    few = served(5, seconds=0.015).latency
    many = served(100_000, seconds=0.015).latency
    assert sequential.quantile_interval(few, 0.99, METRIC_ALPHA) == (0.01, math.inf)
    assert sequential.quantile_interval(many, 0.99, METRIC_ALPHA) == (0.01, 0.02)
    assert sequential.quantile_interval(Histogram(), 0.99, METRIC_ALPHA) == (0.0, math.inf)


@st.composite
def arms(draw: st.DrawFn) -> WindowStats:
    requests = draw(st.integers(200, 3000))
    return served(
        requests,
        errors=draw(st.integers(0, 40)),
        fallbacks=draw(st.integers(0, 100)),
        slow=draw(st.integers(0, 100)),
        seconds=draw(st.sampled_from([0.004, 0.015, 0.06])),
    )


@given(arms(), arms())
def test_every_metric_has_its_limit_and_what_fails_has_its_whole_interval_beyond(
    candidate: WindowStats, stable: WindowStats
) -> None:
    for metric in evaluate(AnalysisSpec(), candidate, stable).metrics:
        assert metric.limit is not None, metric.metric
        assert metric.value is not None
        assert metric.low is not None
        assert metric.low - 1e-9 <= metric.value
        assert metric.high is None or metric.value <= metric.high + 1e-9
        if metric.verdict != Verdict.FAIL:
            continue
        if metric.metric == "successRate":
            assert metric.high is not None
            assert metric.high < metric.limit + 2e-6
        elif metric.metric != "latencyMedianMilliseconds":
            assert metric.low > metric.limit - 2e-6, metric
        else:
            # Its test also allows for the noise of the stable version.
            assert metric.value > metric.limit


def test_a_failed_share_needs_as_many_hits_as_the_test() -> None:
    # A cold pod's burst of errors: the interval is beyond the limit, but the step does not fail.
    step = evaluate(AnalysisSpec(), served(200, errors=MIN_HITS - 1), None)
    assert step.verdict is not Verdict.FAIL


def test_without_requests_there_is_a_limit_but_no_interval() -> None:
    step = evaluate(AnalysisSpec(), served(0), None)
    limits = {m.metric: m.limit for m in step.metrics}
    spec = AnalysisSpec().thresholds
    assert limits == {
        "successRate": spec.min_success_rate,
        "fallbackShare": spec.max_fallback_share,
        "anomalyShare": spec.max_anomaly_share,
        "latencyP99Milliseconds": pytest.approx(spec.max_latency_p99_milliseconds),
    }
    assert {m.low for m in step.metrics} == {m.high for m in step.metrics} == {None}
