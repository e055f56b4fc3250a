"""The verdict on one step of a rollout, from counts since the step began.

Shares (errors, fallbacks, anomalies, slow requests, missing features) fail by a test that holds
its level however often the operator looks (`sequential.py`); docs/analysis.md has the formulas and
the rates.
"""

from __future__ import annotations

import dataclasses

from recommender_operator.analysis import metrics, missing
from recommender_operator.analysis.metrics import Share
from recommender_operator.analysis.outcome import Verdict as Verdict
from recommender_operator.analysis.outcome import combined
from recommender_operator.analysis.window import WindowStats
from recommender_operator.api.spec import AnalysisSpec
from recommender_operator.api.version import MetricVerdict

#: Metrics that compare with the stable version: they say nothing where its counters are lost.
COMPARISONS = frozenset({"latencyMedianMilliseconds", missing.NAME})
#: A stable version with less than one request in so many of the candidate's is out of traffic (at
#: weight 100): there is nothing to compare with, and the absolute limits decide.
OUT_OF_TRAFFIC = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepVerdict:
    verdict: Verdict
    metrics: tuple[MetricVerdict, ...]
    message: str


def judge(spec: AnalysisSpec, candidate: WindowStats, stable: WindowStats | None) -> StepVerdict:
    """Judge a candidate by everything it served since its step began.

    `stable` counts the same time; None where no version serves beside the candidate. Where
    counters of either were lost nothing passes, and no comparison fails; a limit that the
    candidate breaks by what was read still fails at once.
    """
    if candidate.pods == 0:
        return StepVerdict(
            verdict=Verdict.ERROR, metrics=(), message="no pod of the candidate gave counters"
        )
    if stable is not None and _is_out_of_traffic(stable, candidate):
        stable = None
    judged = tuple(_checked(m, spec, candidate) for m in _metrics(spec, candidate, stable))
    if stable is not None and stable.lost:
        judged = tuple(_not_compared(metric) for metric in judged)
    verdict = combined(Verdict(m.verdict) for m in judged)
    message = _message(verdict, judged)
    if (lost := _lost(candidate, stable)) and verdict is not Verdict.FAIL:
        verdict = Verdict.INCONCLUSIVE if verdict is Verdict.PASS else verdict
        message = f"{lost}, so this window cannot pass; {message}"
    return StepVerdict(verdict=verdict, metrics=judged, message=message)


def _is_out_of_traffic(stable: WindowStats, candidate: WindowStats) -> bool:
    if stable.pods == 0:
        return True
    # Few requests prove nothing where others were lost.
    return not stable.lost and stable.requests * OUT_OF_TRAFFIC < candidate.requests


def _lost(candidate: WindowStats, stable: WindowStats | None) -> str:
    """Return in words how many pods' counters were lost; empty if none were."""
    arms = (("the candidate", candidate), ("the stable version", stable))
    lost = [(name, stats.lost) for name, stats in arms if stats is not None and stats.lost]
    words = [f"{count} {'pod' if count == 1 else 'pods'} of {name}" for name, count in lost]
    return f"counters were lost of {' and '.join(words)} (restarted or gone)" if words else ""


def _not_compared(metric: MetricVerdict) -> MetricVerdict:
    if metric.metric not in COMPARISONS or metric.verdict != Verdict.FAIL:
        return metric
    message = "not compared: the stable version lost counters"
    return metric.model_copy(update={"verdict": str(Verdict.INCONCLUSIVE), "message": message})


def _metrics(
    spec: AnalysisSpec, candidate: WindowStats, stable: WindowStats | None
) -> tuple[MetricVerdict, ...]:
    limits, least = spec.thresholds, spec.min_requests
    pairs = [(count(candidate), count(stable) if stable else None) for count in _COUNTS]
    latency = stable.latency if stable else None
    absolute = (
        metrics.success_rate(*pairs[0], minimum=limits.min_success_rate, min_trials=least),
        metrics.bad_share(
            "fallbackShare", *pairs[1], limit=limits.max_fallback_share, min_trials=least
        ),
        metrics.bad_share(
            "anomalyShare", *pairs[2], limit=limits.max_anomaly_share, min_trials=least
        ),
        metrics.latency_p99(
            candidate.latency,
            latency,
            limit_ms=limits.max_latency_p99_milliseconds,
            min_trials=least,
        ),
    )
    if stable is None:
        return absolute
    ratio = limits.max_latency_ratio
    median = metrics.latency_median(
        candidate.latency, stable.latency, ratio=ratio, min_trials=least
    )
    if not stable.features:
        return (*absolute, median)
    increase = limits.max_missing_increase
    return (*absolute, median, missing.missing_features(candidate, stable, max_increase=increase))


def _errors(stats: WindowStats) -> Share:
    return Share(hits=stats.errors, trials=stats.requests)


def _fallbacks(stats: WindowStats) -> Share:
    return Share(hits=stats.fallback_answers, trials=stats.answered)


def _anomalies(stats: WindowStats) -> Share:
    # An anomaly whose answer then failed too is counted, though no answer is.
    return Share(hits=stats.anomalies, trials=max(stats.answered, stats.anomalies))


_COUNTS = (_errors, _fallbacks, _anomalies)


def _checked(metric: MetricVerdict, spec: AnalysisSpec, candidate: WindowStats) -> MetricVerdict:
    """Turn "too few" into Error where there are requests enough, but their counter is missing.

    When every request failed there are no answers to count, and that is no missing counter.
    """
    succeeded = candidate.requests - candidate.errors
    if metric.sample_size == 0 and succeeded >= spec.min_requests:
        message = f"{succeeded} requests succeeded, but the pods count nothing for this metric"
        return metric.model_copy(update={"verdict": str(Verdict.ERROR), "message": message})
    return metric


def _message(verdict: Verdict, judged: tuple[MetricVerdict, ...]) -> str:
    told = [m for m in judged if m.verdict == verdict] or list(judged)
    return "; ".join(describe(m) for m in told)


def describe(metric: MetricVerdict) -> str:
    """Return one metric's verdict in words and numbers."""
    value = "no value" if metric.value is None else f"{metric.value:.4g}"
    beside = "" if metric.stable_value is None else f", stable {metric.stable_value:.4g}"
    why = f": {metric.message}" if metric.message else ""
    rows = "sessions" if metric.metric == missing.NAME else "requests"
    return (
        f"{metric.metric} {value}{beside} ({metric.threshold}; "
        f"{metric.sample_size} {rows}) {metric.verdict}{why}"
    )
