"""One offline gate: what was measured, what was asked, and whether it held.

A gate judges the value, or the end of its 95 % interval that is worse for the version. Where there
is no interval (fewer than ten users in the test window), a gate that asks for it fails: nothing
passes because it was not measured.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from recommender_operator.api.spec import LOWER_IS_BETTER, Gate, JudgeBy
from recommender_operator.api.version import GateResult

#: Metrics of a report, by name.
Metrics = Mapping[str, float]
_WIDEN = (
    "there is none for fewer than ten users in the test window, or where resamples leave it "
    "undefined; add data or lengthen data.window.days, or judge by Value"
)
_UNMEASURED = (
    "the training's report has no finite number of this name: too few rows, users or segments to "
    "measure it, or a training image older than the gate"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rival:
    """The champion, as far as gates look at it."""

    #: Its own metrics, as they were measured when it was trained.
    metrics: Metrics
    #: Why there is no difference to it on the same rows, and the remedy; empty if there is one.
    not_compared: str = ""
    #: Rows of the test window that it was fitted on, which flatters it.
    saw_test_rows: int = 0


@dataclasses.dataclass(frozen=True)
class _Judged:
    """One part of a gate: what it asked in words, whether it held, and what has to be said."""

    asked: str
    held: bool
    message: str = ""


def judge(gate: Gate, metrics: Metrics, champion: Rival | None) -> GateResult:
    """Judge one gate. `champion` is None if there is none yet, and a margin to it then holds."""
    name = gate.metric.value
    value = _finite(metrics, name)
    low, high = _interval(metrics, name)
    parts = [] if value is not None else [_Judged("a number", False, _UNMEASURED)]
    parts += _limits(gate, value, low, high)
    if gate.champion_margin is not None:
        parts.append(_against_champion(gate, gate.champion_margin, metrics, champion))
    messages = dict.fromkeys(part.message for part in parts if part.message)
    return GateResult(
        metric=name,
        value=value,
        low=low,
        high=high,
        threshold=" and ".join(part.asked for part in parts)[:253],
        passed=all(part.held for part in parts),
        message="; ".join(messages)[:1024],
    )


def judge_baseline(gate: Gate, metrics: Metrics) -> GateResult:
    """A difference to the baseline is not asked of the baseline itself, which it cannot exceed."""
    name = gate.metric.value
    return GateResult(
        metric=name,
        value=_finite(metrics, name),
        threshold="nothing: this is the baseline itself, in place of a version that failed",
        passed=True,
    )


def words(result: GateResult) -> str:
    """Return a gate in one phrase: `auc 0.512 [0.49, 0.53], asked: at least 0.6`."""
    value = "was not measured as a number" if result.value is None else f"{result.value:.4g}"
    if result.low is not None and result.high is not None:
        value = f"{value} [{result.low:.4g}, {result.high:.4g}]"
    message = f" ({result.message})" if result.message else ""
    return f"{result.metric} {value}, asked: {result.threshold}{message}"


def _limits(
    gate: Gate, value: float | None, low: float | None, high: float | None
) -> list[_Judged]:
    """Judge min and max, of the value or of the ends of its interval."""
    by_interval = gate.judge_by is JudgeBy.INTERVAL
    message = ""
    if by_interval and value is not None and low is None:
        message = f"{gate.metric.value} has no interval: {_WIDEN}"
    parts = []
    if gate.min is not None:
        end = low if by_interval else value
        text = f"low end at least {gate.min:g}" if by_interval else f"at least {gate.min:g}"
        parts.append(_Judged(text, end is not None and end >= gate.min, message))
    if gate.max is not None:
        end = high if by_interval else value
        text = f"high end at most {gate.max:g}" if by_interval else f"at most {gate.max:g}"
        parts.append(_Judged(text, end is not None and end <= gate.max, message))
    return parts


def _against_champion(
    gate: Gate, margin: float, metrics: Metrics, champion: Rival | None
) -> _Judged:
    name = gate.metric.value
    if champion is None:
        return _Judged(f"no worse than the champion by {margin:g} (there is none yet)", True)
    if gate.judge_by is JudgeBy.INTERVAL:
        return _by_difference(gate, margin, metrics, champion)
    theirs, value = _finite(champion.metrics, name), _finite(metrics, name)
    if theirs is None:
        return _Judged(f"no worse than the champion by {margin:g} (it has no such metric)", False)
    held = value is not None and _lag(gate, value - theirs) <= margin
    return _Judged(f"no worse than the champion's {theirs:.4g} by {margin:g}", held)


def _by_difference(gate: Gate, margin: float, metrics: Metrics, champion: Rival) -> _Judged:
    """Non-inferiority: the whole interval of the paired difference has to be inside the margin."""
    name = f"{gate.metric.value}MinusChampion"
    asked = f"no worse than the champion by {margin:g} on the same rows"
    if champion.not_compared:
        return _Judged(asked, False, f"{name} was not measured: {champion.not_compared}")
    value, (low, high) = _finite(metrics, name), _interval(metrics, name)
    if value is None or low is None or high is None:
        return _Judged(asked, False, f"{name} has no interval: {_WIDEN}")
    held = max(_lag(gate, low), _lag(gate, high)) <= margin
    told = f"{asked} (difference {value:.4g} [{low:.4g}, {high:.4g}])"
    seen = champion.saw_test_rows
    flattered = f"the champion was fitted on {seen} rows of this test window, which flatters it"
    return _Judged(told, held, flattered if seen else "")


def _lag(gate: Gate, difference: float) -> float:
    """Return by how much a difference to the champion is for the worse."""
    return difference if gate.metric in LOWER_IS_BETTER else -difference


def _interval(metrics: Metrics, name: str) -> tuple[float | None, float | None]:
    low, high = _finite(metrics, f"{name}Low"), _finite(metrics, f"{name}High")
    return (None, None) if low is None or high is None else (low, high)


def _finite(metrics: Metrics, name: str) -> float | None:
    value = metrics.get(name)
    return value if value is not None and math.isfinite(value) else None
