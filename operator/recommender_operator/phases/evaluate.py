"""The offline gates: all must hold on the untouched test window before a version is published."""

from __future__ import annotations

from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.phases import gates
from recommender_operator.phases.turn import Turn


def step(turn: Turn) -> None:
    """Evaluating: publish if every gate holds, else reject with each number."""
    version = turn.candidate
    if version is None:
        return
    champion = turn.champion
    rival = gates.Rival(metrics=champion.status.metrics) if champion is not None else None
    results = tuple(
        gates.judge(gate, version.status.metrics, rival) for gate in turn.spec.evaluation.gates
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
