"""The conditions DataValid, Trained, GatesPassed and AnalysisPassed.

They are about the candidate or, without one, the version of the spec.
"""

from __future__ import annotations

from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.version import VersionDecision, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.lifecycle import data_check as phase_of_data
from recommender_operator.lifecycle import gates as offline
from recommender_operator.lifecycle import workers
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import steps

#: Metrics in the message of Trained; the version's status has all.
SHOWN_METRICS = ("auc", "aucMinusBaseline", "logLoss", "calibrationError", "ndcgAt10")
RETRY = "Change the spec, or annotate recommender.dev/retry=<new token>"


def set_conditions(ctx: Context, out: Outcome, subject: VersionObject) -> None:
    """Set the four conditions from the status of the version."""
    _data(out, subject)
    _training(ctx, out, subject)
    _gates(ctx, out, subject)
    _analysis(ctx, out, subject)


def _failed_at(subject: VersionObject, *stages: VersionStage) -> VersionDecision | None:
    decision = subject.status.decision
    if decision is not None and decision.stage in stages:
        return decision if decision.outcome == VersionStage.FAILED else None
    return None


def _waiting(out: Outcome, kind: ConditionType, subject: VersionObject) -> None:
    stage = subject.status.stage.value
    out.condition(kind, "Unknown", stage, f"{subject.name} is at the stage {stage}")


def _data(out: Outcome, subject: VersionObject) -> None:
    kind = ConditionType.DATA_VALID
    failed = _failed_at(subject, VersionStage.CHECKING_DATA)
    data = subject.status.lineage
    if failed is not None:
        message = (
            f"{subject.name}: {failed.message}. The operator repeats the check at increasing "
            f"intervals (attempt {subject.status.attempt}); "
            f"{RETRY[0].lower()}{RETRY[1:]} to repeat it now"
        )
        out.condition(kind, "False", failed.reason, message)
    elif data is not None:
        message = (
            f"{subject.name}: {data.data_rows} rows, {data.quarantined_rows} quarantined, "
            f"data version {data.data_version}"
        )
        checks = subject.status.data_checks
        if checks is not None and checks.compared_with:
            message += f", compared with {checks.compared_with}"
        warned = checks is not None and checks.warned > 0
        if checks is not None and warned:
            message += f". {phase_of_data.words(checks)}"
        reason = Reason.DATA_WARNED if warned else Reason.DATA_CHECKED
        out.condition(kind, "True", reason, message)
    else:
        _waiting(out, kind, subject)


def _training(ctx: Context, out: Outcome, subject: VersionObject) -> None:
    kind = ConditionType.TRAINED
    failed = _failed_at(subject, VersionStage.TRAINING, VersionStage.PUBLISHING)
    if failed is not None:
        message = f"{subject.name}: {failed.message}. {RETRY}"
        out.condition(kind, "False", failed.reason, message)
    elif subject.status.metrics:
        metrics = subject.status.metrics
        numbers = ", ".join(
            f"{name} {metrics[name]:.4g}" for name in SHOWN_METRICS if name in metrics
        )
        out.condition(kind, "True", Reason.TRAINED, f"{ctx.display_name(subject)}: {numbers}")
    elif lacks := workers.missing(ctx, subject):
        if out.condition(kind, "False", Reason.PLATFORM_MISSING, lacks):
            out.warn(Reason.PLATFORM_MISSING, lacks)
    else:
        _waiting(out, kind, subject)


def _gates(ctx: Context, out: Outcome, subject: VersionObject) -> None:
    kind = ConditionType.GATES_PASSED
    gates = subject.status.gates
    words = "; ".join(offline.words(gate) for gate in gates)
    if not gates:
        _waiting(out, kind, subject)
    elif all(gate.passed for gate in gates):
        message = f"{ctx.display_name(subject)}: {words}"
        out.condition(kind, "True", Reason.GATES_PASSED, message)
    else:
        failed = "; ".join(offline.words(gate) for gate in gates if not gate.passed)
        message = f"{ctx.display_name(subject)}: {failed}. {RETRY}"
        out.condition(kind, "False", Reason.GATE_FAILED, message)


def _analysis(ctx: Context, out: Outcome, subject: VersionObject) -> None:
    """Set AnalysisPassed, unless a step or a phase before it is in progress, which sets it."""
    kind = ConditionType.ANALYSIS_PASSED
    status = subject.status
    in_progress = steps.current(status) is not None or any(
        extension.runs(subject) for extension in ctx.extensions
    )
    if status.stage is VersionStage.CANARY and in_progress:
        return
    decision = status.decision
    compared = any(not step.is_shadow for step in status.steps)
    if status.stage is VersionStage.PROMOTED and decision is not None and compared:
        message = f"{subject.name}: {decision.message}"
        out.condition(kind, "True", decision.reason, message)
    elif status.stage is VersionStage.PROMOTED and decision is not None:
        message = f"{subject.name} was not compared with another version: {decision.message}"
        out.condition(kind, "Unknown", Reason.NOT_ANALYSED, message)
    elif (
        status.stage is VersionStage.ROLLED_BACK
        and decision is not None
        and (status.steps or any(each.has_evidence(subject) for each in ctx.extensions))
    ):
        message = f"{subject.name}: {decision.message}. {RETRY}"
        out.condition(kind, "False", decision.reason, message)
    else:
        _waiting(out, kind, subject)
