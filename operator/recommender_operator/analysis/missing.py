"""Features that the candidate does not find where the stable version, beside it, does.

A candidate with another vocabulary or a broken join answers quickly and without an error, only
badly. Windows of hundreds of sessions (`drift.judge_break`) find small breaks; a rollout can be
over before the first of them is full. Here a gross break fails the step after a few sessions, by
the same test as every other share (`sequential.py`).
"""

from __future__ import annotations

import dataclasses

from recommender_operator.analysis import sequential
from recommender_operator.analysis.distributions import NULL, SCORE, UNKNOWN
from recommender_operator.analysis.metrics import METRIC_ALPHA, Share
from recommender_operator.analysis.outcome import Verdict
from recommender_operator.analysis.window import Bins, WindowStats
from recommender_operator.api.version import MetricVerdict

NAME = "missingFeatureShare"
#: Sessions of each arm without which the comparison never passes.
MIN_SESSIONS = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Compared:
    """One feature: sessions without a known value, in both arms; neither is without sessions."""

    feature: str
    here: Share
    there: Share

    @property
    def increase(self) -> float:
        return self.here.hits / self.here.trials - self.there.hits / self.there.trials

    def fails(self, most: float, alpha: float) -> bool:
        """Whether the share is beyond chance above the most that stable's may be, plus `most`.

        Both bounds hold over all looks, at half of `alpha` each.
        """
        at_most = sequential.upper_bound(self.there.hits, self.there.trials, alpha / 2)
        return self.here.above(min(1.0, at_most + most), alpha / 2)


def missing_features(
    candidate: WindowStats, stable: WindowStats, *, max_increase: float
) -> MetricVerdict:
    """Judge the feature whose share of nulls and unknown values grew most against stable's.

    One row is one session. Scores are no features: their nulls are answers by the baseline.
    """
    compared = _compared(candidate, stable)
    sizes = f"{candidate.sessions} sessions here and {stable.sessions} at the stable version"
    threshold = f"at most {max_increase:.4g} above stable's"
    if not compared:
        return MetricVerdict(
            metric=NAME,
            verdict=Verdict.INCONCLUSIVE,
            threshold=threshold,
            message=f"no feature is counted in both arms; {sizes}",
        )
    alpha = METRIC_ALPHA / len(compared)
    failing = [one for one in compared if one.fails(max_increase, alpha)]
    worst = max(failing or compared, key=lambda one: (one.increase, one.feature))
    if failing:
        names = ", ".join(sorted(one.feature for one in failing))
        verdict, message = Verdict.FAIL, f"nulls or unknown values of {names}, beyond chance"
    elif min(candidate.sessions, stable.sessions) < MIN_SESSIONS:
        verdict, message = Verdict.INCONCLUSIVE, f"{sizes}, of {MIN_SESSIONS} each"
    elif worst.increase > max_increase:
        message = f"nulls or unknown values of {worst.feature}, but it may be chance"
        verdict = Verdict.INCONCLUSIVE
    else:
        verdict, message = Verdict.PASS, ""
    return MetricVerdict(
        metric=NAME,
        verdict=verdict,
        value=worst.here.value,
        stable_value=worst.there.value,
        threshold=threshold,
        sample_size=candidate.sessions,
        message=message,
    )


def _compared(candidate: WindowStats, stable: WindowStats) -> list[_Compared]:
    features = sorted(candidate.features.keys() & stable.features.keys() - {SCORE})
    pairs = [
        _Compared(
            feature=name,
            here=_missing(candidate.features[name]),
            there=_missing(stable.features[name]),
        )
        for name in features
    ]
    return [pair for pair in pairs if pair.here.trials and pair.there.trials]


def _missing(bins: Bins) -> Share:
    return Share(hits=bins.get(NULL, 0) + bins.get(UNKNOWN, 0), trials=sum(bins.values()))
