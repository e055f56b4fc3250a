"""The offline gates: all must hold on the untouched test window before a version is published."""

from __future__ import annotations

import math
from collections.abc import Mapping

from recommender_operator.api.conditions import Reason
from recommender_operator.api.spec import LOWER_IS_BETTER, Gate
from recommender_operator.api.version import GateResult, VersionStage
from recommender_operator.phases.turn import Turn


def step(turn: Turn) -> None:
    """Evaluating: publish if every gate holds, else reject with each number."""
    version = turn.candidate
    if version is None:
        return
    champion = turn.champion
    baseline = champion.status.metrics if champion is not None else None
    gates = turn.spec.evaluation.gates
    results = tuple(judge(gate, version.status.metrics, baseline) for gate in gates)
    if all(result.passed for result in results):
        turn.move(version.name, VersionStage.PUBLISHING, gates=results)
        return
    turn.change(version.name, gates=results)
    failed = "; ".join(words(result) for result in results if not result.passed)
    message = (
        f"{failed}. Change data, training or evaluation in the spec; after a change of "
        "evaluation alone, annotate recommender.dev/retry=<new token>"
    )
    turn.end(version.name, VersionStage.REJECTED, Reason.GATE_FAILED, message)


def words(result: GateResult) -> str:
    """Return a gate in one phrase: `auc 0.512, asked: at least 0.6`."""
    value = "was not measured as a number" if result.value is None else f"{result.value:.4g}"
    return f"{result.metric} {value}, asked: {result.threshold}"


def judge(
    gate: Gate, metrics: Mapping[str, float], champion: Mapping[str, float] | None
) -> GateResult:
    """Judge one gate. `champion` has the champion's metrics; None if there is no champion."""
    value = metrics.get(gate.metric.value)
    if value is not None and not math.isfinite(value):
        value = None
    asked, held = [], [value is not None]
    if gate.min is not None:
        asked.append(f"at least {gate.min:g}")
        held.append(value is not None and value >= gate.min)
    if gate.max is not None:
        asked.append(f"at most {gate.max:g}")
        held.append(value is not None and value <= gate.max)
    if gate.champion_margin is not None:
        text, ok = _against_champion(gate, gate.champion_margin, value, champion)
        asked.append(text)
        held.append(ok)
    return GateResult(
        metric=gate.metric.value,
        value=value,
        threshold=" and ".join(asked) or "a number",
        passed=all(held),
    )


def _against_champion(
    gate: Gate, margin: float, value: float | None, champion: Mapping[str, float] | None
) -> tuple[str, bool]:
    if champion is None:
        return f"no worse than the champion by {margin:g} (there is none yet)", True
    theirs = champion.get(gate.metric.value)
    if theirs is None or not math.isfinite(theirs):
        return f"no worse than the champion by {margin:g} (it has no such metric)", False
    worse = -1 if gate.metric in LOWER_IS_BETTER else 1
    ok = value is not None and worse * (theirs - value) <= margin
    return f"no worse than the champion's {theirs:.4g} by {margin:g}", ok
