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
from recommender_operator.analysis.metrics import METRIC_ALPHA, MIN_HITS
from recommender_operator.analysis.outcome import Verdict
from recommender_operator.analysis.window import Bins, WindowStats
from recommender_operator.api.version import MetricVerdict

NAME = "missingFeatureShare"
#: Sessions of each arm without which the comparison never passes.
MIN_SESSIONS = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Compared:
    """One feature: sessions without a known value, of all sessions, in both arms."""

    feature: str
    hits: int
    trials: int
    stable_hits: int
    stable_trials: int

    @property
    def share(self) -> float:
        return self.hits / self.trials

    @property
    def stable_share(self) -> float:
        return self.stable_hits / self.stable_trials

    @property
    def increase(self) -> float:
        return self.share - self.stable_share

    def fails(self, most: float, alpha: float) -> bool:
        """Whether the share is beyond chance above the most that stable's may be, plus `most`.

        Both bounds hold over all looks, at half of `alpha` each.
        """
        if self.hits < MIN_HITS:
            return False
        there = sequential.upper_bound(self.stable_hits, self.stable_trials, alpha / 2)
        return sequential.above(self.hits, self.trials, min(1.0, there + most), alpha / 2)


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
        value=worst.share,
        stable_value=worst.stable_share,
        threshold=threshold,
        sample_size=candidate.sessions,
        message=message,
    )


def _compared(candidate: WindowStats, stable: WindowStats) -> list[_Compared]:
    found = []
    for feature in sorted(candidate.features.keys() & stable.features.keys() - {SCORE}):
        hits, trials = _missing(candidate.features[feature])
        stable_hits, stable_trials = _missing(stable.features[feature])
        if trials and stable_trials:
            found.append(
                _Compared(
                    feature=feature,
                    hits=hits,
                    trials=trials,
                    stable_hits=stable_hits,
                    stable_trials=stable_trials,
                )
            )
    return found


def _missing(bins: Bins) -> tuple[int, int]:
    return bins.get(NULL, 0) + bins.get(UNKNOWN, 0), sum(bins.values())
