"""Features that are missing in the candidate's sessions, but not in the stable version's.

A candidate with a wrong vocabulary or a broken join answers quickly and without errors, but badly.
Windows of hundreds of sessions (`drift.evaluate_break`) detect small breaks, but a rollout may end
before the first window is full. This test fails the step after a few sessions if the break is
large, as for every other share (`sequential.py`).
"""

from __future__ import annotations

import dataclasses

from recommender_operator.analysis import distributions, sequential
from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.distributions import NULL, SCORE, UNKNOWN
from recommender_operator.analysis.step_metrics import METRIC_ALPHA, Share
from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.api.version import MetricVerdict

NAME = "missingFeatureShare"
#: Minimum number of sessions of each arm for a Pass.
MIN_SESSIONS = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Compared:
    """One feature: shares of sessions without a known value; both arms have sessions."""

    feature: str
    candidate: Share
    stable: Share

    @property
    def increase(self) -> float:
        return self.candidate.hits / self.candidate.trials - self.stable.hits / self.stable.trials

    def fails(self, max_increase: float, alpha: float) -> bool:
        """Return whether the share exceeds the stable version's by more than `max_increase`.

        Tests against an upper bound of the stable share; both hold over all looks, at half of
        `alpha` each.
        """
        at_most = sequential.upper_bound(self.stable.hits, self.stable.trials, alpha / 2)
        return self.candidate.above(min(1.0, at_most + max_increase), alpha / 2)


def missing_features(
    candidate: WindowStats, stable: WindowStats, *, max_increase: float
) -> MetricVerdict:
    """Return the verdict on the feature whose share of missing values increased most.

    One row is one session. Scores are excluded: their nulls are answers by the baseline.
    """
    compared = _compared(candidate, stable)
    sizes = (
        f"{candidate.sessions} sessions of the candidate and {stable.sessions} of the stable "
        "version"
    )
    threshold = f"at most {max_increase:.4g} above the stable version's"
    if not compared:
        return MetricVerdict(
            metric=NAME,
            verdict=Verdict.INCONCLUSIVE,
            threshold=threshold,
            message=f"both versions count no feature in common; {sizes}",
        )
    alpha = METRIC_ALPHA / len(compared)
    failing = [one for one in compared if one.fails(max_increase, alpha)]
    worst = max(failing or compared, key=lambda one: (one.increase, one.feature))
    if failing:
        names = ", ".join(sorted(one.feature for one in failing))
        verdict, message = Verdict.FAIL, f"nulls or unknown values in {names}, beyond chance"
    elif min(candidate.sessions, stable.sessions) < MIN_SESSIONS:
        verdict, message = Verdict.INCONCLUSIVE, f"{sizes}, of {MIN_SESSIONS} each"
    elif worst.increase > max_increase:
        message = f"nulls or unknown values in {worst.feature}, but maybe by chance"
        verdict = Verdict.INCONCLUSIVE
    else:
        verdict, message = Verdict.PASS, ""
    return MetricVerdict(
        metric=NAME,
        verdict=verdict,
        value=worst.candidate.value,
        stable_value=worst.stable.value,
        limit=min(1.0, (worst.stable.value or 0.0) + max_increase),
        **worst.candidate.interval,
        threshold=threshold,
        sample_size=candidate.sessions,
        message=message,
    )


def _compared(candidate: WindowStats, stable: WindowStats) -> list[_Compared]:
    features = sorted(candidate.features.keys() & stable.features.keys() - {SCORE})
    pairs = [
        _Compared(
            feature=name,
            candidate=_missing(candidate, name),
            stable=_missing(stable, name),
        )
        for name in features
    ]
    return [pair for pair in pairs if pair.candidate.trials and pair.stable.trials]


def _missing(window: WindowStats, feature: str) -> Share:
    bins, trials = window.features[feature], distributions.sessions(window.features, feature)
    return Share(hits=min(bins.get(NULL, 0) + bins.get(UNKNOWN, 0), trials), trials=trials)
