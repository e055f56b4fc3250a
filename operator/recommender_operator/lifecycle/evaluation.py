"""Evaluation of the offline gates: a version must pass all of them to be published."""

from __future__ import annotations

import datetime

from recommender_operator.api.conditions import Reason
from recommender_operator.api.spec import AGAINST_BASELINE
from recommender_operator.api.version import GateResult, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.lifecycle import gates
from recommender_operator.monitoring import revert_to_previous
from recommender_operator.observed import VersionObject

_NOW = datetime.timedelta(seconds=1)


def evaluate_gates(ctx: Context, out: Outcome) -> None:
    """Evaluating: publish the version if it passes every gate, else reject it."""
    version = ctx.candidate
    if version is None or revert_to_previous.compare_with_previous(ctx, out, version):
        return
    results = _results(ctx, version)
    if all(result.passed for result in results):
        out.move(version.name, VersionStage.PUBLISHING, gates=results)
        return
    out.change(version.name, gates=results)
    failed = "; ".join(gates.words(result) for result in results if not result.passed)
    message = (
        f"{failed}. Change data, training or evaluation in the spec; if only evaluation changes, "
        "annotate recommender.dev/retry=<new token>"
    )
    out.end(version.name, VersionStage.REJECTED, Reason.GATE_FAILED, message)
    if ctx.stands_in and not ctx.is_stand_in(version):
        out.requeue(_NOW)


def _results(ctx: Context, version: VersionObject) -> tuple[GateResult, ...]:
    for extension in ctx.extensions:
        if (derived := extension.gates(ctx, version)) is not None:
            return derived
    metrics, asked = version.status.metrics, ctx.spec.evaluation.gates
    champion = _champion_metrics(version, ctx.champion)
    return tuple(
        gates.exempt_baseline(gate, metrics)
        if ctx.is_stand_in(version) and gate.metric in AGAINST_BASELINE
        else gates.evaluate(gate, metrics, champion)
        for gate in asked
    )


def _champion_metrics(
    version: VersionObject, champion: VersionObject | None
) -> gates.Champion | None:
    """Return the metrics of the current champion, if there is one, for the gates."""
    if champion is None:
        return None
    metrics, comparison = champion.status.metrics, version.status.comparison
    artifact = champion.status.artifact
    again = "annotate recommender.dev/retry=<new token> to train and compare again"
    if comparison is None:
        reason = f"the training did not compare with {champion.name}; {again}"
    elif artifact is None or comparison.digest != artifact.digest:
        reason = f"{champion.name} became the champion after the training started; {again}"
    elif not comparison.compared:
        why = comparison.message or "no reason given"
        reason = f"{champion.name} could not be evaluated: {why}"
        return gates.Champion(metrics=metrics, not_compared=reason, broken=True)
    else:
        saw_test_rows = comparison.saw_test_rows or 0
        return gates.Champion(metrics=metrics, saw_test_rows=saw_test_rows)
    return gates.Champion(metrics=metrics, not_compared=reason)
