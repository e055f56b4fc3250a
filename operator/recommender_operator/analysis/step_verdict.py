"""The verdict on one step of a rollout, from counts since the start of the step.

Shares (errors, fallbacks, anomalies, slow requests, missing features) fail by a test that keeps
its level over all looks (`sequential.py`); docs/lab/statistics.md has formulas and error rates.
"""

from __future__ import annotations

import dataclasses

from recommender_operator.analysis import missing_features
from recommender_operator.analysis import step_metrics as metrics
from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.step_metrics import Share
from recommender_operator.analysis.verdict_outcome import Verdict as Verdict
from recommender_operator.analysis.verdict_outcome import combined
from recommender_operator.api.spec import AnalysisSpec
from recommender_operator.api.version import MetricVerdict

#: Metrics that compare with the stable version; they are void if its counters are lost.
COMPARISONS = frozenset({"latencyMedianMilliseconds", missing_features.NAME})
FALLBACK_SHARE = "fallbackShare"
#: If the candidate has more requests than the stable version by this factor, the stable version
#: is out of traffic, and only the absolute limits apply. At weight 100 the caller gives none.
OUT_OF_TRAFFIC = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepVerdict:
    verdict: Verdict
    metrics: tuple[MetricVerdict, ...]
    message: str


def evaluate(
    spec: AnalysisSpec, candidate: WindowStats, stable: WindowStats | None
) -> StepVerdict:
    """Return the verdict on a candidate from everything it served since the start of its step.

    `stable` covers the same time; None if no version serves beside the candidate. If counters of
    either were lost, nothing passes and no comparison fails; the candidate still fails if the
    remaining counters break a limit. Nothing passes either while a ready pod of the candidate does
    not answer: it may just have crashed.
    """
    if candidate.pods == 0:
        return StepVerdict(
            verdict=Verdict.ERROR, metrics=(), message="no pod of the candidate returned counters"
        )
    if stable is not None and _is_out_of_traffic(stable, candidate):
        stable = None
    verdicts = tuple(_checked(m, spec, candidate) for m in _metrics(spec, candidate, stable))
    verdicts = tuple(_with_causes(metric, candidate) for metric in verdicts)
    if stable is not None and stable.lost:
        verdicts = tuple(_not_compared(metric) for metric in verdicts)
    verdict = combined(Verdict(m.verdict) for m in verdicts)
    message = _message(verdict, verdicts)
    if (lost := _lost(candidate, stable)) and verdict is not Verdict.FAIL:
        verdict = Verdict.INCONCLUSIVE if verdict is Verdict.PASS else verdict
        message = f"{lost}, so this window cannot pass; {message}"
    elif (unknown := _unanswered(candidate)) and verdict is Verdict.PASS:
        verdict, message = Verdict.INCONCLUSIVE, f"{unknown}; {message}"
    return StepVerdict(verdict=verdict, metrics=verdicts, message=message)


def _is_out_of_traffic(stable: WindowStats, candidate: WindowStats) -> bool:
    if stable.pods == 0:
        return True
    # If counters were lost, the number of requests is unknown.
    return not stable.lost and stable.requests * OUT_OF_TRAFFIC < candidate.requests


def _lost(candidate: WindowStats, stable: WindowStats | None) -> str:
    """Return a text with the number of pods whose counters were lost; empty if none were."""
    arms = (("the candidate", candidate), ("the stable version", stable))
    lost = [(name, stats.lost) for name, stats in arms if stats is not None and stats.lost]
    words = [f"{count} {'pod' if count == 1 else 'pods'} of {name}" for name, count in lost]
    return f"counters of {' and '.join(words)} were lost (restarted or deleted)" if words else ""


def _unanswered(candidate: WindowStats) -> str:
    """Return a text with the number of pods that did not answer; empty if all did."""
    silent, late = candidate.silent, candidate.late
    if not silent and not late:
        return ""
    start = "at the start of the window"
    if not silent:
        when = f"{start}, which starts again"
    else:
        when = f"now, and {late} {start}" if late else "now"
    pods = silent or late
    return f"{pods} ready {'pod' if pods == 1 else 'pods'} of the candidate did not answer {when}"


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
            FALLBACK_SHARE, *pairs[1], limit=limits.max_fallback_share, min_trials=least
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
    return (
        *absolute,
        median,
        missing_features.missing_features(candidate, stable, max_increase=increase),
    )


def _errors(stats: WindowStats) -> Share:
    return Share(hits=stats.errors, trials=stats.requests)


def _fallbacks(stats: WindowStats) -> Share:
    return Share(hits=stats.fallback_answers, trials=stats.answered)


def _anomalies(stats: WindowStats) -> Share:
    # An anomaly is counted even if the request then failed and has no answer.
    return Share(hits=stats.anomalies, trials=max(stats.answered, stats.anomalies))


_COUNTS = (_errors, _fallbacks, _anomalies)


def _checked(metric: MetricVerdict, spec: AnalysisSpec, candidate: WindowStats) -> MetricVerdict:
    """Return Error instead of Inconclusive if requests succeeded, but the counter is missing.

    If every request failed, there are no answers to count, and no counter is missing.
    """
    succeeded = candidate.requests - candidate.errors
    if metric.sample_size == 0 and succeeded >= spec.min_requests:
        message = f"{succeeded} requests succeeded, but the pods have no counts for this metric"
        return metric.model_copy(update={"verdict": str(Verdict.ERROR), "message": message})
    return metric


def _with_causes(metric: MetricVerdict, candidate: WindowStats) -> MetricVerdict:
    """Add what the counters say of the requests that did not go well."""
    if not (cause := _cause(metric.metric, candidate)):
        return metric
    return metric.model_copy(update={"message": "; ".join(filter(None, (metric.message, cause)))})


def _cause(metric: str, candidate: WindowStats) -> str:
    """Return a text for the cause of failed requests or of fallbacks; empty if there is none.

    The pods did not see a request that the Gateway lost. A fallback without a reason had a client
    that left the model too little time.
    """
    if metric == metrics.SUCCESS_RATE and candidate.lost_at_gateway:
        return f"the Gateway lost {candidate.lost_at_gateway} of them"
    if metric == FALLBACK_SHARE and candidate.fallback_answers:
        reasons = {**candidate.fallbacks, "short deadline": candidate.cut_short}
        counts = ", ".join(f"{name} {count}" for name, count in sorted(reasons.items()) if count)
        return f"fallbacks by reason: {counts}"
    return ""


def _message(verdict: Verdict, verdicts: tuple[MetricVerdict, ...]) -> str:
    shown = [m for m in verdicts if m.verdict == verdict] or list(verdicts)
    return "; ".join(describe(m) for m in shown)


def describe(metric: MetricVerdict) -> str:
    """Return a metric's verdict as text, with its numbers."""
    value = "no value" if metric.value is None else f"{metric.value:.4g}"
    beside = "" if metric.stable_value is None else f", stable {metric.stable_value:.4g}"
    why = f": {metric.message}" if metric.message else ""
    rows = "sessions" if metric.metric == missing_features.NAME else "requests"
    return (
        f"{metric.metric} {value}{beside} ({metric.threshold}; "
        f"{metric.sample_size} {rows}) {metric.verdict}{why}"
    )
