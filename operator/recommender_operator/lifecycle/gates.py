"""Evaluation of one offline gate: measured value, requirement and result.

A gate compares the value, or one end of its 95 % interval: the worse one, or by BeyondChance the
better one. A gate on the worse end fails if there is none (fewer than ten users in the test
window). Without a value every gate fails, but those on metrics that a test window may lack.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from recommender_contract.peers import LIVE, PEERS, ndcg_of
from recommender_operator.api.spec import (
    AT_EXPLORED_PLACES,
    LOWER_IS_BETTER,
    MAY_LACK,
    NEARER_ONE,
    Gate,
    GateMetric,
    JudgeBy,
)
from recommender_operator.api.version import GateResult

#: Metrics of a report, by name.
Metrics = Mapping[str, float]
_WIDEN = (
    "there is none with fewer than ten users in the test window, or if it is undefined in "
    "resamples; add data, increase data.window.days, or set judgeBy to Value"
)
_UNMEASURED = (
    "the training report has no finite value: too few rows, users or segments, no request to "
    "rank (ranking.message in the evaluation report), or the training image does not support "
    "this metric"
)
_NOT_ESTIMATED = (
    "the training report has no estimate, and offPolicy in the evaluation report says why: mostly "
    "too few explored places in the test window (raise events.exploration.share, lower its pool, "
    "or increase data.window.days); without that section the data has no explored places"
)
#: In the requirement of each margin to the champion.
_CHAMPION = "worse than the champion"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Champion:
    """The champion's metrics that gates compare with."""

    #: Metrics from its training.
    metrics: Metrics
    #: Why there is no difference on the same rows, and the remedy; empty if there is one.
    not_compared: str = ""
    #: Whether there is none because it could not be evaluated, which no other training mends.
    broken: bool = False
    #: Number of rows of the test window that the champion was trained on.
    saw_test_rows: int = 0


@dataclasses.dataclass(frozen=True)
class _Requirement:
    """One part of a gate: the requirement as text, whether it is met, and an explanation."""

    text: str
    met: bool
    message: str = ""


def evaluate(gate: Gate, metrics: Metrics, champion: Champion | None) -> GateResult:
    """Return the result of a gate; without a champion, championMargin is met."""
    name = gate.metric.value
    explored = gate.metric in AT_EXPLORED_PLACES
    why = _unusable(name, champion) if explored else ""
    metrics = {} if why else metrics
    value = _finite(metrics, name)
    low, high = _interval(metrics, name)
    missing = why or (_NOT_ESTIMATED if explored else _UNMEASURED)
    if value is None and _may_lack(gate, champion):
        return _not_evaluated(gate, missing)
    parts = [] if value is not None else [_Requirement("a number", False, missing)]
    parts += _limits(gate, value, low, high)
    if gate.champion_margin is not None:
        parts.append(_against_champion(gate, gate.champion_margin, metrics, champion))
    passed = all(part.met for part in parts)
    told = [part.message for part in parts]
    if explored and value is not None:
        told.append(_favored(champion))
    if gate.metric is GateMetric.NDCG_AT_10_MINUS_BEST_PEER and not passed:
        told.append(_best_peer(metrics))
    messages = dict.fromkeys(text for text in told if text)
    return GateResult(
        metric=name,
        value=value,
        low=low,
        high=high,
        minimum=gate.min,
        maximum=gate.max,
        threshold=" and ".join(part.text for part in parts)[:253],
        passed=passed,
        message="; ".join(messages)[:1024],
    )


def _unusable(name: str, champion: Champion | None) -> str:
    """Return why a gain is not one over the current champion, else nothing."""
    if champion is None or not champion.not_compared:
        return ""
    return f"{name} was not measured: {champion.not_compared}"


def _may_lack(gate: Gate, champion: Champion | None) -> bool:
    """Return whether a version passes without an estimate, as no other training would have one.

    If another training would compare with the champion, a loss could hide here.
    """
    if gate.metric not in MAY_LACK or gate.required:
        return False
    compared = champion is None or not champion.not_compared or champion.broken
    return compared or gate.metric not in AT_EXPLORED_PLACES


def _best_peer(metrics: Metrics) -> str:
    """Return which simple recommender has the best lists, if the report says so."""
    found = {name: _finite(metrics, ndcg_of(name)) for name in PEERS}
    known = {name: value for name, value in found.items() if value is not None}
    if not known:
        return ""
    best = max(known, key=lambda name: known[name])
    remedy = "; set events.trending to let versions follow it" if best in LIVE else ""
    return f"lists of {PEERS[best]} ({best}) have an NDCG@10 of {known[best]:.4g}{remedy}"


def _favored(champion: Champion | None) -> str:
    """Return the limits of a comparison with the champion, if there are any."""
    if champion is None or not champion.saw_test_rows:
        return ""
    seen = champion.saw_test_rows
    return f"the champion was trained on {seen} rows of this test window, which favors it"


def _not_evaluated(gate: Gate, why: str) -> GateResult:
    return GateResult(
        metric=gate.metric.value,
        minimum=gate.min,
        maximum=gate.max,
        threshold="nothing without an estimate",
        passed=True,
        message=why[:1024],
    )


def exempt_baseline(gate: Gate, metrics: Metrics) -> GateResult:
    """Return a passed result: a stand-in need not exceed the baseline, which it is."""
    name = gate.metric.value
    return GateResult(
        metric=name,
        value=_finite(metrics, name),
        threshold="none: this version is the baseline, in place of a version that failed",
        passed=True,
    )


def is_of(gate: Gate, result: GateResult) -> bool:
    """Return whether a result is one of this gate, with the same limits and margin."""
    limits = " and ".join(part.text for part in _limits(gate, None, None, None))
    margin = "" if gate.champion_margin is None else _than(gate.champion_margin)
    return (
        (result.metric, result.minimum, result.maximum) == (gate.metric.value, gate.min, gate.max)
        and result.threshold.startswith(limits)
        and (margin in result.threshold if margin else _CHAMPION not in result.threshold)
    )


def words(result: GateResult) -> str:
    """Return a result as text: `auc 0.512 [0.49, 0.53], required: at least 0.6`."""
    value = "was not measured" if result.value is None else f"{result.value:.4g}"
    if result.low is not None and result.high is not None:
        value = f"{value} [{result.low:.4g}, {result.high:.4g}]"
    message = f" ({result.message})" if result.message else ""
    return f"{result.metric} {value}, required: {result.threshold}{message}"


def _limits(
    gate: Gate, value: float | None, low: float | None, high: float | None
) -> list[_Requirement]:
    """Return the requirements min and max for the value, or for the ends of its interval."""
    message, without_end = "", False
    if gate.judge_by is not JudgeBy.VALUE and value is not None and low is None:
        message = f"{gate.metric.value} has no interval: {_WIDEN}"
        without_end = gate.judge_by is JudgeBy.BEYOND_CHANCE  # nothing is beyond it
    ends = {
        JudgeBy.VALUE: (("", value), ("", value)),
        JudgeBy.INTERVAL: (("low end ", low), ("high end ", high)),
        JudgeBy.BEYOND_CHANCE: (("high end ", high), ("low end ", low)),
    }
    (of_min, least), (of_max, most) = ends[gate.judge_by]
    parts = []
    if gate.min is not None:
        met = without_end if least is None else least >= gate.min
        parts.append(_Requirement(f"{of_min}at least {gate.min:g}", met, message))
    if gate.max is not None:
        met = without_end if most is None else most <= gate.max
        parts.append(_Requirement(f"{of_max}at most {gate.max:g}", met, message))
    return parts


def _than(margin: float) -> str:
    return f"at most {margin:g} {_CHAMPION}"


def _against_champion(
    gate: Gate, margin: float, metrics: Metrics, champion: Champion | None
) -> _Requirement:
    name = gate.metric.value
    than = _than(margin)
    if champion is None:
        return _Requirement(f"{than} (there is none yet)", True)
    if gate.judge_by is not JudgeBy.VALUE:
        return _by_difference(gate, margin, metrics, champion)
    theirs, value = _finite(champion.metrics, name), _finite(metrics, name)
    if theirs is None:
        return _Requirement(f"{than} (which lacks this metric)", False)
    met = value is not None and _worse(gate, value, theirs) <= margin
    return _Requirement(f"{than}'s {theirs:.4g}", met)


def _by_difference(
    gate: Gate, margin: float, metrics: Metrics, champion: Champion
) -> _Requirement:
    """By the worse end of the paired difference, a test of non-inferiority, or the better one."""
    name = f"{gate.metric.value}MinusChampion"
    text = f"{_than(margin)} on the same rows"
    if champion.not_compared:
        return _Requirement(text, False, f"{name} was not measured: {champion.not_compared}")
    value, (low, high) = _finite(metrics, name), _interval(metrics, name)
    lenient = gate.judge_by is JudgeBy.BEYOND_CHANCE
    if value is None or low is None or high is None:
        known = lenient and value is not None
        return _Requirement(text, known, f"{name} has no interval: {_WIDEN}")
    ends = _deficit(gate, low), _deficit(gate, high)
    met = (min(ends) if lenient else max(ends)) <= margin
    measured = f"{text} (difference {value:.4g} [{low:.4g}, {high:.4g}])"
    return _Requirement(measured, met, _favored(champion))


def _worse(gate: Gate, value: float, theirs: float) -> float:
    """Return by how much a value is worse than the champion's."""
    if gate.metric in NEARER_ONE:
        return abs(value - 1) - abs(theirs - 1)
    return _deficit(gate, value - theirs)


def _deficit(gate: Gate, difference: float) -> float:
    """Return by how much a difference to the champion makes the version worse."""
    return difference if gate.metric in LOWER_IS_BETTER else -difference


def _interval(metrics: Metrics, name: str) -> tuple[float | None, float | None]:
    low, high = _finite(metrics, f"{name}Low"), _finite(metrics, f"{name}High")
    return (None, None) if low is None or high is None else (low, high)


def _finite(metrics: Metrics, name: str) -> float | None:
    value = metrics.get(name)
    return value if value is not None and math.isfinite(value) else None
