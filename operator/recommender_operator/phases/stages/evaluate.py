"""The offline gates: all must hold on the untouched test window before a version is published."""

from __future__ import annotations

import datetime

from recommender_operator.api.conditions import Reason
from recommender_operator.api.spec import AGAINST_BASELINE
from recommender_operator.api.version import VersionStage
from recommender_operator.observed import VersionObject
from recommender_operator.phases.stages import gates
from recommender_operator.phases.turn import Turn

_NOW = datetime.timedelta(seconds=1)


def step(turn: Turn) -> None:
    """Evaluating: publish if every gate holds, else reject with each number."""
    version = turn.candidate
    if version is None:
        return
    rival = _rival(version, turn.champion)
    results = tuple(
        gates.judge_baseline(gate, version.status.metrics)
        if turn.is_stand_in(version) and gate.metric in AGAINST_BASELINE
        else gates.judge(gate, version.status.metrics, rival)
        for gate in turn.spec.evaluation.gates
    )
    if all(result.passed for result in results):
        turn.move(version.name, VersionStage.PUBLISHING, gates=results)
        return
    turn.change(version.name, gates=results)
    failed = "; ".join(gates.words(result) for result in results if not result.passed)
    message = (
        f"{failed}. Change data, training or evaluation in the spec; after a change of "
        "evaluation alone, annotate recommender.dev/retry=<new token>"
    )
    turn.end(version.name, VersionStage.REJECTED, Reason.GATE_FAILED, message)
    if turn.stands_in and not turn.is_stand_in(version):
        turn.look_again(_NOW)


def _rival(version: VersionObject, champion: VersionObject | None) -> gates.Rival | None:
    """Return the champion as gates see it: they compare with no other that was one before."""
    if champion is None:
        return None
    metrics, told = champion.status.metrics, version.status.comparison
    again = "annotate recommender.dev/retry=<new token> to train and compare again"
    if told is None:
        reason = f"the training was not asked to compare with {champion.name}; {again}"
    elif champion.status.artifact is None or told.digest != champion.status.artifact.digest:
        reason = f"{champion.name} became the champion after the training began; {again}"
    elif not told.compared:
        reason = f"{champion.name} could not be asked: {told.message or 'no reason given'}"
    else:
        return gates.Rival(metrics=metrics, saw_test_rows=told.saw_test_rows or 0)
    return gates.Rival(metrics=metrics, not_compared=reason)
