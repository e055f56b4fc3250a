"""Drift of served sessions against the training reference, and breaks of the candidate only.

One row is one session, not one request: requests of a session are alike, and tests that treat
them as independent reject nearly every window. A shift is significant after a correction for all
tests of the window (Holm), and at least as large as the effect floor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from recommender_operator.analysis import distributions, tail_probabilities
from recommender_operator.analysis.counter_window import Bins, WindowStats
from recommender_operator.analysis.distributions import NULL, SCORE, UNKNOWN
from recommender_operator.analysis.drift_persistence import advance as advance
from recommender_operator.analysis.drift_persistence import advance_break as advance_break
from recommender_operator.analysis.drift_persistence import broken as broken
from recommender_operator.analysis.drift_persistence import drifted as drifted
from recommender_operator.analysis.verdict_outcome import Verdict as Verdict
from recommender_operator.analysis.window_shift import DriftVerdict as DriftVerdict
from recommender_operator.analysis.window_shift import FeatureShift as FeatureShift
from recommender_operator.api.spec import DriftSpec
from recommender_operator.api.status import FeatureEffect

#: Floor for changes of the null or unknown share, as a fraction of `effectFloor`: if one in fifty
#: sessions (at the default) lacks a field, the pipeline is broken, though the distance is small.
MISSING_FLOOR = 0.2
#: Minimum sessions of the stable version to test for a break. Fewer than a window has: the tests
#: use both sizes, and late in a rollout the stable version serves few sessions.
STABLE_SESSIONS = 50
#: A window is clear if no significant effect reaches this fraction of its floor.
CLEAR = 0.8


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Test:
    feature: str
    effect: float
    floor: float
    p_value: float
    psi: float
    message: str


def evaluate_window(spec: DriftSpec, window: WindowStats) -> DriftVerdict:
    """Compare one window of served sessions with the version's training reference."""
    few = _too_few(("", window, spec.window_sessions))
    if few:
        return few
    lost = sorted(f for f in window.reference if not sum(window.features.get(f, {}).values()))
    if lost or not window.reference:
        what = f"no session is counted for {', '.join(lost)}" if lost else "no reference counts"
        return DriftVerdict(
            verdict=Verdict.ERROR,
            sessions=window.sessions,
            message=f"{what}: the metrics of the pods are incomplete",
        )
    tests: list[_Test] = []
    for feature in sorted(window.reference):
        tests += _against_reference(spec, feature, window)
    return _concluded(spec, window.sessions, tests)


def evaluate_break(spec: DriftSpec, candidate: WindowStats, stable: WindowStats) -> DriftVerdict:
    """Test whether only the candidate has broken features or scores in a window.

    Both arms serve the same users, so a drift of the users shifts both. Shares of nulls and
    unknown values are compared between the arms. Scores are binned by each version's own
    reference, so their distances from these references are compared instead of their bins.
    """
    least = min(spec.window_sessions, STABLE_SESSIONS)
    few = _too_few(
        (" of the candidate", candidate, spec.window_sessions),
        (" of the stable version", stable, least),
    )
    if few:
        return few
    tests: list[_Test] = []
    for feature in sorted(candidate.features.keys() & stable.features.keys() - {SCORE}):
        known = _larger(_trained(candidate, feature), _trained(stable, feature))
        here, there = _served(candidate, feature, known), _served(stable, feature, known)
        for missing in (NULL, UNKNOWN):
            tests += _missing_more(spec, feature, missing, here, there, "stable")
    tests += _score_break(spec, candidate, stable)
    return _concluded(spec, candidate.sessions, tests)


def _too_few(*arms: tuple[str, WindowStats, int]) -> DriftVerdict | None:
    short = [(of, w.sessions, least) for of, w, least in arms if w.sessions < least]
    if not short:
        return None
    counts = ", ".join(f"{n} of {least} sessions{of}" for of, n, least in short)
    return DriftVerdict(
        verdict=Verdict.INCONCLUSIVE, sessions=arms[0][1].sessions, message=f"{counts} so far"
    )


def _against_reference(spec: DriftSpec, feature: str, window: WindowStats) -> Iterable[_Test]:
    here, there, design_effect = _values(window, feature)
    if sum(here.values()) and sum(there.values()):
        one, other = _effective(here, there, design_effect, window.user_share)
        effect = distributions.total_variation(one, other)
        psi = distributions.stability_index(here, there)
        yield _Test(
            feature=feature,
            effect=effect,
            floor=spec.effect_floor,
            p_value=distributions.homogeneity(one, other),
            psi=psi,
            message=f"distance {effect:.3f}, PSI {psi:.2f}",
        )
    if feature == SCORE:  # Its nulls are fallbacks, which fallbackShare covers.
        return
    for missing in (NULL, UNKNOWN):
        yield from _missing_changed(spec, feature, missing, window)


def _values(window: WindowStats, feature: str) -> tuple[dict[str, int], dict[str, int], float]:
    """Return counts of known values in the window and the reference, and the design effect."""
    here, there = window.features.get(feature, {}), window.reference.get(feature, {})
    design_effect = window.design_effects.get(feature, 1.0)
    return distributions.values(here), distributions.values(there), design_effect


def _effective(
    here: Bins, there: Bins, design_effect: float, user_share: float
) -> tuple[dict[str, float], dict[str, float]]:
    n, m = sum(here.values()), sum(there.values())
    at_window = distributions.design_effect_at(design_effect, m, n, user_share)
    return (
        distributions.effective(here, distributions.bounded(at_window, n)),
        distributions.effective(there, distributions.bounded(design_effect, m)),
    )


def _missing_changed(
    spec: DriftSpec, feature: str, missing: str, window: WindowStats
) -> Iterable[_Test]:
    """Return a two-sided test: twice the smaller of the two one-sided p-values."""
    there = _trained(window, feature)
    here = _served(window, feature, there)
    more = _missing_more(spec, feature, missing, here, there, "the reference")
    fewer = _missing_more(spec, feature, missing, there, here, "")
    for up, down in zip(more, fewer, strict=True):
        p_value = min(1.0, 2 * min(up.p_value, down.p_value))
        yield dataclasses.replace(up, p_value=p_value, effect=max(up.effect, down.effect))


@dataclasses.dataclass(frozen=True)
class _Side:
    """Counts of a feature, and the design effect of its missing values at this many sessions."""

    bins: Bins
    sessions: int
    design_effect: float

    def missing(self, kind: str) -> tuple[int, int]:
        """Return the number of sessions without a value, and of all sessions."""
        return min(self.bins.get(kind, 0), self.sessions), self.sessions

    def independent(self, kind: str) -> tuple[int, int]:
        """Return the same of as many independent sessions as these are worth."""
        counts = self.missing(kind)
        effect = distributions.bounded(self.design_effect, counts[1])
        hits, trials = (round(n / effect) for n in counts)
        return min(hits, trials), trials

    def excess_per_session(self) -> float:
        return distributions.excess_per_session(self.design_effect, self.sessions)


def _trained(window: WindowStats, feature: str) -> _Side:
    effect = window.missing_design_effects.get(feature, 1.0)
    sessions = distributions.sessions(window.reference, feature)
    return _Side(window.reference.get(feature, {}), sessions, max(1.0, effect))


def _larger(one: _Side, other: _Side) -> _Side:
    """Return the reference with the larger design effect for windows of one size.

    Both versions serve the same users, and a reference of an earlier release does not have it.
    """
    return max(one, other, key=_Side.excess_per_session)


def _served(window: WindowStats, feature: str, reference: _Side) -> _Side:
    sessions = distributions.sessions(window.features, feature)
    sizes = reference.sessions, sessions
    effect = distributions.design_effect_at(reference.design_effect, *sizes, window.user_share)
    return _Side(window.features[feature], sessions, effect)


def _missing_more(
    spec: DriftSpec, feature: str, missing: str, here: _Side, there: _Side, beside: str
) -> list[_Test]:
    (hits, trials), (other_hits, other_trials) = here.missing(missing), there.missing(missing)
    if not hits + other_hits or not trials or not other_trials:
        return []
    share, other = hits / trials, other_hits / other_trials
    name = "nulls" if missing == NULL else "unknown values"
    return [
        _Test(
            feature=feature,
            effect=max(0.0, share - other),
            floor=spec.effect_floor * MISSING_FLOOR,
            p_value=tail_probabilities.more_often(
                *here.independent(missing), *there.independent(missing)
            ),
            psi=distributions.stability_index(
                {missing: hits, "": trials - hits},
                {missing: other_hits, "": other_trials - other_hits},
            ),
            message=f"{name} {share:.1%} against {other:.1%} in {beside}",
        )
    ]


def _score_break(spec: DriftSpec, candidate: WindowStats, stable: WindowStats) -> list[_Test]:
    tests = _against_reference(spec, SCORE, candidate)
    there = distributions.total_variation(*_effective(*_values(stable, SCORE), stable.user_share))
    return [
        dataclasses.replace(
            test,
            effect=max(0.0, test.effect - there),
            message=f"{test.message} from its own reference; stable {there:.3f} from its own",
        )
        for test in tests
    ]


def _concluded(spec: DriftSpec, sessions: int, tests: Sequence[_Test]) -> DriftVerdict:
    adjusted = tail_probabilities.holm([test.p_value for test in tests])
    significant = [(test, p) for test, p in zip(tests, adjusted, strict=True) if p <= spec.alpha]
    shifts = [
        FeatureShift(
            name=t.feature,
            effect=t.effect,
            p_value=p,
            psi=t.psi,
            message=f"{t.feature}: {t.message}",
        )
        for t, p in sorted(significant, key=lambda s: _excess(s[0]), reverse=True)
        if t.effect > 0 and t.effect >= t.floor
    ]
    worst = tuple({shift.name: shift for shift in reversed(shifts)}.values())[::-1]
    clear = not any(t.effect > 0 and t.effect >= CLEAR * t.floor for t, _ in significant)
    if worst:
        message = "; ".join(shift.message for shift in worst)
    else:
        message = f"no shift of {len({t.feature for t in tests})} features in {sessions} sessions"
    return DriftVerdict(
        verdict=Verdict.FAIL if worst else Verdict.PASS,
        sessions=sessions,
        features=worst,
        effects=_effects(tests),
        message=message,
        clear=clear,
    )


def _effects(tests: Sequence[_Test]) -> tuple[FeatureEffect, ...]:
    """Return the largest effect of each feature relative to its floor, significant or not."""
    largest = {test.feature: test for test in sorted(tests, key=_excess)}
    return tuple(
        FeatureEffect(feature=test.feature, effect=max(0.0, test.effect), limit=test.floor)
        for test in sorted(largest.values(), key=_excess, reverse=True)
    )


def _excess(test: _Test) -> float:
    """Return the effect relative to its floor, to sort tests with different floors."""
    return test.effect / test.floor if test.floor else test.effect
