"""Verdicts on the metrics of a step."""

from __future__ import annotations

import dataclasses
import math

from recommender_operator.analysis import sequential
from recommender_operator.analysis.histogram import Histogram
from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.api.version import MetricVerdict

#: Probability, over all looks, that a step fails if all metrics are exactly at their limits.
STEP_ALPHA = 0.01
#: Its share for each of the six metrics.
METRIC_ALPHA = STEP_ALPHA / 6
#: Minimum number of bad requests that fails a step: a cold pod starts with a burst of them.
MIN_HITS = 5
SUCCESS_RATE = "successRate"
#: A median latency up to this is never too slow compared with the stable version, in milliseconds.
RATIO_FLOOR_MILLISECONDS = 20.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    """A share of bad requests: `hits` of `trials`."""

    hits: int
    trials: int

    @property
    def value(self) -> float | None:
        return self.hits / self.trials if self.trials else None

    @property
    def interval(self) -> dict[str, float]:
        """Both ends of the interval, as fields of a MetricVerdict; empty without trials."""
        if not self.trials:
            return {}
        low, high = sequential.share_interval(self.hits, self.trials, METRIC_ALPHA)
        return {"low": low, "high": high}

    def above(self, limit: float, alpha: float = METRIC_ALPHA) -> bool:
        """Return whether the share is significantly above the limit."""
        if self.hits < MIN_HITS:
            return False
        return sequential.above(self.hits, self.trials, limit, alpha)


def evaluate_share(
    candidate: Share, stable: Share | None, *, limit: float, within: bool, min_trials: int
) -> tuple[Verdict, str]:
    """Return verdict and message for a share of bad requests; `within`: the value is in the limit.

    If the stable version breaks the limit in the same window, the cause is shared, and the
    candidate fails only if it is worse than the upper bound of the stable version.
    """
    if candidate.above(limit):
        if stable is None or not stable.above(limit):
            return Verdict.FAIL, f"beyond chance ({_odds(candidate, limit)})"
        most = sequential.upper_bound(stable.hits, stable.trials, METRIC_ALPHA)
        if candidate.above(max(limit, most)):
            return Verdict.FAIL, f"worse than the stable version, which has at most {most:.2%}"
        return (
            Verdict.INCONCLUSIVE,
            f"the stable version also breaks the limit ({stable.value:.2%}): the cause is shared",
        )
    if candidate.trials < min_trials:
        return Verdict.INCONCLUSIVE, f"{candidate.trials} of {min_trials} requests so far"
    if not within:
        return Verdict.INCONCLUSIVE, "outside the limit, but maybe by chance: needs more requests"
    return Verdict.PASS, ""


def _odds(share: Share, limit: float) -> str:
    evidence = sequential.log_evidence(share.hits, share.trials, limit)
    if evidence > 27:
        return "p < 1e-12"
    return f"p < {math.exp(-evidence):.1g} over all looks"


def bad_share(
    name: str, candidate: Share, stable: Share | None, *, limit: float, min_trials: int
) -> MetricVerdict:
    """Return the verdict on a share that must not exceed `limit`."""
    value = candidate.value
    verdict, message = evaluate_share(
        candidate,
        stable,
        limit=limit,
        # 1 - 0.99 is not exact, and 1 of 100 must be within the limit.
        within=value is not None and value <= limit + 1e-12,
        min_trials=min_trials,
    )
    return MetricVerdict(
        metric=name,
        verdict=verdict,
        value=value,
        stable_value=stable.value if stable else None,
        limit=limit,
        **candidate.interval,
        threshold=f"at most {limit:.4g}",
        sample_size=candidate.trials,
        message=message,
    )


def success_rate(
    candidate: Share, stable: Share | None, *, minimum: float, min_trials: int
) -> MetricVerdict:
    """Return the verdict on the share of requests without an error; arguments: with an error."""
    bad = bad_share(SUCCESS_RATE, candidate, stable, limit=1 - minimum, min_trials=min_trials)
    return bad.model_copy(
        update={
            "value": None if bad.value is None else 1 - bad.value,
            "stable_value": None if bad.stable_value is None else 1 - bad.stable_value,
            "low": None if bad.high is None else 1 - bad.high,
            "high": None if bad.low is None else 1 - bad.low,
            "limit": minimum,
            "threshold": f"at least {minimum:.4g}",
        }
    )


def latency_p99(
    candidate: Histogram, stable: Histogram | None, *, limit_ms: float, min_trials: int
) -> MetricVerdict:
    """Return the verdict on the 99th percentile: at most 1 % of the requests above the limit."""
    seconds = limit_ms / 1000
    slow = Share(hits=candidate.surely_above(seconds), trials=candidate.total)
    slow_stable = stable and Share(hits=stable.surely_above(seconds), trials=stable.total)
    p99 = candidate.quantile(0.99)
    verdict, message = evaluate_share(
        slow, slow_stable or None, limit=0.01, within=p99 <= seconds, min_trials=min_trials
    )
    if math.isinf(p99):
        message = f"above {candidate.last_finite * 1000:g} ms, the last bucket; {message}"
    return MetricVerdict(
        metric="latencyP99Milliseconds",
        verdict=verdict,
        value=_milliseconds(p99),
        stable_value=_milliseconds(stable.quantile(0.99)) if stable else None,
        limit=limit_ms,
        **_interval(candidate, 0.99, METRIC_ALPHA),
        threshold=f"at most {limit_ms:g} ms",
        sample_size=candidate.total,
        message=message.rstrip("; "),
    )


def latency_median(
    candidate: Histogram, stable: Histogram, *, ratio: float, min_trials: int
) -> MetricVerdict:
    """Return the verdict on the median compared with the stable version's in the same window.

    Fails if more than half of the candidate's requests take longer than the ratio times an upper
    bound of the stable median: two tests, each at half the level.
    """
    median, stable_median = candidate.quantile(0.5), stable.quantile(0.5)
    floor = RATIO_FLOOR_MILLISECONDS / 1000
    limit = max(ratio * _median_at_most(stable), floor)
    slow = Share(hits=candidate.about_above(limit), trials=candidate.total)
    if slow.above(0.5, METRIC_ALPHA / 2):
        verdict, message = Verdict.FAIL, "beyond chance, over all looks"
    elif candidate.total < min_trials or stable.total < min_trials:
        verdict, message = (
            Verdict.INCONCLUSIVE,
            f"{candidate.total} requests of the candidate and {stable.total} of the stable "
            f"version, of {min_trials} each",
        )
    elif median <= max(ratio * stable_median, floor) and math.isfinite(median):
        verdict, message = Verdict.PASS, ""
    else:
        verdict, message = Verdict.INCONCLUSIVE, "outside the limit, but maybe by chance"
    return MetricVerdict(
        metric="latencyMedianMilliseconds",
        verdict=verdict,
        value=_milliseconds(median),
        stable_value=_milliseconds(stable_median),
        limit=_milliseconds(max(ratio * stable_median, floor)),
        **_interval(candidate, 0.5, METRIC_ALPHA / 2),
        threshold=f"at most {ratio:g} times the stable version's, or {floor * 1000:g} ms",
        sample_size=candidate.total,
        message=message,
    )


def _median_at_most(histogram: Histogram) -> float:
    """Return an upper bound of the true median in seconds, at half of METRIC_ALPHA."""
    if not histogram.total:
        return math.inf
    most = sequential.upper_bound((histogram.total + 1) // 2, histogram.total, METRIC_ALPHA / 2)
    return histogram.quantile(most)


def _interval(histogram: Histogram, q: float, alpha: float) -> dict[str, float | None]:
    """Return both ends of a quantile's interval, as fields of a MetricVerdict."""
    if not histogram.total:
        return {}
    low, high = sequential.quantile_interval(histogram, q, alpha)
    return {"low": _milliseconds(low), "high": _milliseconds(high)}


def _milliseconds(seconds: float) -> float | None:
    return seconds * 1000 if math.isfinite(seconds) else None
