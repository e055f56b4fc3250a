import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.analysis import step_metrics
from recommender_operator.analysis.counter_window import WindowStats, window_stats
from recommender_operator.analysis.histogram import Histogram
from recommender_operator.analysis.step_verdict import StepVerdict, Verdict, evaluate
from recommender_operator.analysis.verdict_outcome import combined
from recommender_operator.api.spec import AnalysisSpec
from recommender_operator.api.version import MetricVerdict
from recommender_operator.observed import Sample

BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5)
UPPERS = (*BOUNDS, math.inf)
SPEC = AnalysisSpec()


def served(
    requests: int = 1000,
    *,
    errors: int = 0,
    fallbacks: int = 0,
    anomalies: int = 0,
    seconds: float = 0.015,
    slow: int = 0,
    slow_seconds: float = 0.6,
) -> WindowStats:
    counts = [0] * len(UPPERS)
    counts[next(i for i, u in enumerate(UPPERS) if seconds <= u)] += requests - slow
    counts[next(i for i, u in enumerate(UPPERS) if slow_seconds <= u)] += slow
    answered = requests - errors
    return WindowStats(
        requests=requests,
        errors=errors,
        answers={"model": answered - fallbacks, "popularity": fallbacks},
        fallbacks={"nonfinite": anomalies, "timeout": fallbacks - anomalies},
        latency=Histogram(UPPERS, tuple(counts)),
        pods=1,
    )


def metric(step: StepVerdict, name: str) -> MetricVerdict:
    return next(m for m in step.metrics if m.metric == name)


def test_a_healthy_candidate_passes_with_numbers_for_each_metric() -> None:
    step = evaluate(SPEC, served(errors=2, fallbacks=3), served(9000))
    assert step.verdict is Verdict.PASS
    assert [m.metric for m in step.metrics] == [
        "successRate",
        "fallbackShare",
        "anomalyShare",
        "latencyP99Milliseconds",
        "latencyMedianMilliseconds",
    ]
    assert metric(step, "successRate").value == pytest.approx(0.998)
    assert metric(step, "successRate").stable_value == 1.0
    assert all(m.threshold and m.sample_size >= 998 for m in step.metrics)


@pytest.mark.parametrize(
    ("candidate", "broken"),
    [
        (served(errors=60), "successRate"),
        (served(fallbacks=150), "fallbackShare"),
        (served(fallbacks=40, anomalies=40), "anomalyShare"),
        (served(slow=60), "latencyP99Milliseconds"),
        (served(seconds=0.18), "latencyMedianMilliseconds"),
    ],
)
def test_each_metric_alone_fails_the_step_and_is_named(
    candidate: WindowStats, broken: str
) -> None:
    step = evaluate(SPEC, candidate, served(9000))
    assert step.verdict is Verdict.FAIL
    assert [m.metric for m in step.metrics if m.verdict == "Fail"] == [broken]
    assert step.message.startswith(broken)


def test_too_few_requests_are_inconclusive_and_say_how_many() -> None:
    step = evaluate(SPEC, served(37), served(900))
    assert step.verdict is Verdict.INCONCLUSIVE
    assert "37 of 100 requests" in step.message


def test_outright_failure_ends_the_step_before_the_least_number_of_requests() -> None:
    assert evaluate(SPEC, served(8, errors=8), served(80)).verdict is Verdict.FAIL


def test_a_few_first_bad_requests_are_not_yet_a_failure() -> None:
    assert evaluate(SPEC, served(4, errors=4), served(40)).verdict is Verdict.INCONCLUSIVE


def test_a_share_outside_the_limit_by_chance_is_neither_passed_nor_failed() -> None:
    step = evaluate(SPEC, served(100, errors=2), served(900))
    assert metric(step, "successRate").verdict == "Inconclusive"
    assert "chance" in metric(step, "successRate").message


@pytest.mark.parametrize(("minimum", "errors"), [(0.99, 2), (0.9, 20), (0.7, 60), (1.0, 0)])
def test_exactly_at_the_limit_passes(minimum: float, errors: int) -> None:
    thresholds = SPEC.thresholds.model_copy(update={"min_success_rate": minimum})
    spec = SPEC.model_copy(update={"thresholds": thresholds})
    assert evaluate(spec, served(200, errors=errors), None).verdict is Verdict.PASS


def test_what_breaks_both_arms_alike_is_not_blamed_on_the_candidate() -> None:
    step = evaluate(SPEC, served(errors=200), served(9000, errors=1800))
    assert step.verdict is Verdict.INCONCLUSIVE
    assert "shared" in metric(step, "successRate").message
    assert evaluate(SPEC, served(errors=500), served(9000, errors=1800)).verdict is Verdict.FAIL


def two_pods(ok: int, other: int) -> Sample:
    return {
        f"pod-{i}": {
            'recommender_requests_total{outcome="ok"}': count,
            'recommender_answers_total{source="model"}': count,
            'recommender_request_duration_seconds_bucket{le="0.01"}': count,
            'recommender_request_duration_seconds_bucket{le="+Inf"}': count,
        }
        for i, count in enumerate((ok, other))
    }


def test_counters_lost_in_restarts_make_a_window_inconclusive_and_never_a_pass() -> None:
    candidate = window_stats(two_pods(900, 900), two_pods(300, 350))
    stable = window_stats(two_pods(0, 0), two_pods(500, 500))
    step = evaluate(SPEC, candidate, stable)
    assert step.verdict is Verdict.INCONCLUSIVE
    assert "counters of 2 pods of the candidate" in step.message
    whole = window_stats(two_pods(0, 0), two_pods(300, 350))
    assert evaluate(SPEC, whole, stable).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("silent", "late", "when"),
    [(1, 0, "now"), (0, 1, "at the start"), (1, 2, "now, and 2 at the start of the window")],
)
def test_a_pod_of_the_candidate_that_did_not_answer_holds_back_a_pass_alone(
    silent: int, late: int, when: str
) -> None:
    part = dataclasses.replace(served(), silent=silent, late=late)
    step = evaluate(SPEC, part, served())
    assert step.verdict is Verdict.INCONCLUSIVE
    assert f"1 ready pod of the candidate did not answer {when}" in step.message
    assert evaluate(SPEC, served(), part).verdict is Verdict.PASS
    broken = dataclasses.replace(part, errors=part.requests)
    assert evaluate(SPEC, broken, served()).verdict is Verdict.FAIL


def test_lost_counters_do_not_save_a_candidate_that_breaks_a_limit() -> None:
    lossy = dataclasses.replace(served(errors=500), resets=1)
    assert evaluate(SPEC, lossy, served()).verdict is Verdict.FAIL
    assert evaluate(SPEC, served(errors=500), dataclasses.replace(served(), gone=1)).verdict is (
        Verdict.FAIL
    )


@pytest.mark.parametrize("left", [1000, 1])
def test_lost_counters_of_the_stable_version_compare_nothing(left: int) -> None:
    lossy = dataclasses.replace(served(left), gone=1)
    step = evaluate(SPEC, served(), lossy)
    assert step.verdict is Verdict.INCONCLUSIVE
    assert "of 1 pod of the stable version" in step.message
    slow = evaluate(SPEC, served(seconds=0.3), dataclasses.replace(served(), resets=1))
    assert slow.verdict is Verdict.INCONCLUSIVE
    assert "not compared" in metric(slow, "latencyMedianMilliseconds").message


def test_fast_medians_are_never_compared() -> None:
    # Ten times slower, and below the floor.
    assert evaluate(SPEC, served(seconds=0.015), served(seconds=0.001)).verdict is Verdict.PASS


def test_latencies_beyond_the_last_bucket_never_pass() -> None:
    spec = SPEC.model_copy(
        update={"thresholds": SPEC.thresholds.model_copy(
            update={"max_latency_p99_milliseconds": 8000.0}
        )}
    )  # fmt: skip
    step = evaluate(spec, served(slow=100, slow_seconds=7), None)
    p99 = metric(step, "latencyP99Milliseconds")
    assert (p99.verdict, p99.value) == ("Inconclusive", None)
    assert "above 5000 ms" in p99.message


def test_without_a_stable_version_in_traffic_the_absolute_limits_decide() -> None:
    for stable in (None, served(0), WindowStats(), served(4)):
        step = evaluate(SPEC, served(1000), stable)
        assert step.verdict is Verdict.PASS
        assert len(step.metrics) == 4


def test_no_pod_and_no_counter_are_errors_and_never_a_pass() -> None:
    assert evaluate(SPEC, WindowStats(), None).verdict is Verdict.ERROR
    silent = WindowStats(requests=500, pods=1)
    step = evaluate(SPEC, silent, None)
    assert step.verdict is Verdict.ERROR
    assert "have no counts" in step.message


def test_all_requests_failed_is_a_failure_although_nothing_was_answered() -> None:
    step = evaluate(SPEC, served(500, errors=500), None)
    assert step.verdict is Verdict.FAIL
    assert metric(step, "fallbackShare").verdict == "Inconclusive"


@given(st.lists(st.sampled_from(list(Verdict))))
def test_the_worst_verdict_is_the_whole(verdicts: list[Verdict]) -> None:
    rank = [Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS]
    expected = min(verdicts, key=rank.index) if verdicts else Verdict.INCONCLUSIVE
    assert combined(verdicts) is expected


COUNT = st.integers(0, 2000)


@st.composite
def windows(draw: st.DrawFn) -> WindowStats:
    requests = draw(COUNT)
    return WindowStats(
        requests=requests,
        errors=draw(st.integers(0, requests)),
        answers=draw(st.dictionaries(st.sampled_from(["model", "baseline", "popularity"]), COUNT)),
        fallbacks=draw(st.dictionaries(st.sampled_from(["timeout", "empty", "shape"]), COUNT)),
        latency=draw(
            st.one_of(
                st.just(Histogram()),
                st.lists(COUNT, min_size=17, max_size=17).map(
                    lambda counts: Histogram(UPPERS, tuple(counts))
                ),
            )
        ),
        pods=draw(st.integers(0, 3)),
    )


@given(windows(), st.none() | windows())
def test_whatever_was_counted_a_pass_has_every_value_within_its_limit(
    candidate: WindowStats, stable: WindowStats | None
) -> None:
    step = evaluate(SPEC, candidate, stable)
    for m in step.metrics:
        assert m.value is None or math.isfinite(m.value)
        MetricVerdict.model_validate_json(m.model_dump_json())
    if step.verdict is Verdict.PASS:
        values = {m.metric: m.value for m in step.metrics}
        assert all(value is not None for value in values.values())
        assert all(m.sample_size >= SPEC.min_requests for m in step.metrics)
        assert candidate.errors <= 0.01 * candidate.requests + 1e-9
        assert (values["fallbackShare"] or 0) <= 0.05 + 1e-9
        assert (values["latencyP99Milliseconds"] or 0) <= 500


def looks_until(
    rng: np.random.Generator, rate: float, slow: float, median: float, looks: int
) -> int | None:
    """Return the look at which a step fails, with 20 requests between looks."""
    limit = UPPERS.index(0.5)
    bucket, stable_bucket = UPPERS.index(0.2), UPPERS.index(0.1)
    requests = errors = fallbacks = anomalies = late = over = stable_over = 0
    for look in range(looks):
        requests += 20
        errors += int(rng.binomial(20, rate))
        fallbacks += int(rng.binomial(20, 5 * rate))
        anomalies += int(rng.binomial(20, rate))
        late += int(rng.binomial(20, slow))
        over += int(rng.binomial(20, median))
        stable_over += int(rng.binomial(180, 0.5))
        counts = [0] * len(UPPERS)
        counts[limit + 1], counts[bucket + 1] = late, max(0, over - late)
        counts[bucket] = requests - sum(counts)
        stable_counts = [0] * len(UPPERS)
        stable_counts[stable_bucket + 1] = stable_over
        stable_counts[stable_bucket] = 9 * requests - stable_over
        candidate = WindowStats(
            requests=requests,
            errors=errors,
            answers={"model": requests - fallbacks, "baseline": fallbacks},
            fallbacks={"empty": anomalies},
            latency=Histogram(UPPERS, tuple(counts)),
            pods=1,
        )
        stable = WindowStats(
            requests=9 * requests,
            answers={"model": 9 * requests},
            latency=Histogram(UPPERS, tuple(stable_counts)),
            pods=1,
        )
        thresholds = SPEC.thresholds.model_copy(update={"max_latency_ratio": 2.0})
        spec = SPEC.model_copy(update={"thresholds": thresholds})
        if evaluate(spec, candidate, stable).verdict is Verdict.FAIL:
            return look
    return None


def test_a_step_with_every_metric_at_its_limit_fails_within_the_stated_rate() -> None:
    rng = np.random.default_rng(11)
    fails = sum(
        looks_until(rng, rate=0.01, slow=0.01, median=0.5, looks=40) is not None
        for _ in range(150)
    )
    # STEP_ALPHA is the bound on the expectation: 1.5 of 150; 7 or more have a chance of 0.1 %.
    assert step_metrics.STEP_ALPHA == 0.01
    assert fails <= 6


@pytest.mark.parametrize(
    ("rate", "slow", "median"), [(0.1, 0.0, 0.2), (0.0, 0.15, 0.3), (0.0, 0.0, 0.95)]
)
def test_a_broken_candidate_is_failed_within_ten_looks(
    rate: float, slow: float, median: float
) -> None:
    rng = np.random.default_rng(12)
    looks = [looks_until(rng, rate, slow, median, looks=30) for _ in range(40)]
    assert all(look is not None and look < 10 for look in looks)


def test_the_verdict_says_how_many_requests_the_gateway_lost() -> None:
    lossy = dataclasses.replace(served(1000, errors=60), lost_at_gateway=58)
    step = evaluate(SPEC, lossy, served())
    assert step.verdict is Verdict.FAIL
    assert metric(step, "successRate").message.endswith("; the Gateway lost 58 of them")
    assert "the Gateway" not in evaluate(SPEC, served(), lossy).message


def test_fallbacks_have_their_reasons_and_those_without_one_had_a_short_deadline() -> None:
    reasons = {"timeout": 90, "error": 40, "shape": 0}
    fallen = dataclasses.replace(served(fallbacks=150), fallbacks=reasons)
    message = metric(evaluate(SPEC, fallen, served(9000)), "fallbackShare").message
    assert message.endswith("; fallbacks by reason: error 40, short deadline 20, timeout 90")
    assert not metric(evaluate(SPEC, served(), served(9000)), "fallbackShare").message
