"""The summary conditions of a model: Ready, UpToDate, Reconciling and Stalled.

Ready means that the champion serves, whatever the outcome of its candidates. UpToDate means that
it is the version of the spec. Reconciling and Stalled are for tools that follow kstatus
(`docs/adr/0025-sequence-and-model-time.md`).
"""

from __future__ import annotations

from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.spec import ConditionStatus
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import VersionObject
from recommender_operator.status.pipeline_conditions import RETRY

#: Status, reason and message of a condition.
ConditionValue = tuple[ConditionStatus, str, str]


def set_conditions(
    ctx: Context, out: Outcome, subject: VersionObject | None, available: ConditionValue
) -> None:
    """Set the four conditions; Progressing must be set before."""
    up_to_date = _up_to_date(ctx, subject, available)
    ready = _ready(ctx, available, up_to_date)
    out.condition(ConditionType.READY, *ready)
    out.condition(ConditionType.UP_TO_DATE, *up_to_date)
    out.condition(ConditionType.RECONCILING, *_reconciling(ctx, up_to_date))
    out.condition(ConditionType.STALLED, *_stalled(ctx, ready))


def _ready(ctx: Context, available: ConditionValue, up_to_date: ConditionValue) -> ConditionValue:
    champion = ctx.champion
    if champion is None:
        return up_to_date
    if available[0] != "True" or available[1] == Reason.STANDBY_SERVES:
        return available
    pin = ctx.spec.rollback_to
    if up_to_date[0] == "True" or (pin is not None and pin != champion.name):
        return up_to_date
    return available


def _up_to_date(
    ctx: Context, subject: VersionObject | None, available: ConditionValue
) -> ConditionValue:
    champion, pin = ctx.champion, ctx.spec.rollback_to
    if ctx.observed.platform.missing:
        return "Unknown", available[1], available[2]
    if champion is None:
        return _nobody_serves(ctx, subject, available)
    if pin is not None:
        if champion.name == pin:
            return "True", Reason.PINNED, f"{pin} serves, pinned by spec.rollbackTo"
        honored = find(ctx.status.conditions, ConditionType.REQUESTS_HONORED)
        message = honored.message if honored else f"{pin} does not serve yet"
        return "False", Reason.PINNED, message
    if ctx.is_stand_in(champion):
        return "True", Reason.BASELINE_SERVES, f"{ctx.display_name(champion)} serves"
    if champion.name == ctx.desired or ctx.is_of_spec(champion):
        return "True", Reason.SETTLED, f"{champion.name}, trained from the current spec, serves"
    if ctx.candidate is not None:
        message = f"{champion.name} serves while {ctx.candidate.name} rolls out"
        return "False", Reason.ROLLING_OUT, message
    return _outdated(ctx, champion)


def _outdated(ctx: Context, champion: VersionObject) -> ConditionValue:
    """Return UpToDate for a champion that is not the version of the spec."""
    wanted = ctx.versions.get(ctx.desired)
    decision = wanted.status.decision if wanted else None
    if wanted is None or decision is None:
        reason = Reason.LOCKED if ctx.status.locked else Reason.ROLLING_OUT
        return "False", reason, f"{champion.name} serves; {ctx.desired} has not started"
    if decision.reason == Reason.ROLLED_BACK_TO:
        message = f"{champion.name} serves, {decision.message}, until the spec changes"
        return "False", Reason.ROLLED_BACK_TO, message
    message = f"{champion.name} serves; {wanted.name} {decision.outcome}: {decision.message}"
    return "False", decision.reason, f"{message}. {RETRY}"


def _nobody_serves(
    ctx: Context, subject: VersionObject | None, available: ConditionValue
) -> ConditionValue:
    if ctx.candidate is not None:
        stage = ctx.candidate.status.stage.value
        return "False", stage, f"the first version, {ctx.candidate.name}, is at {stage}"
    decision = subject.status.decision if subject is not None else None
    if subject is not None and decision is not None:
        message = f"{subject.name} {decision.outcome}: {decision.message}. {RETRY}"
        return "False", decision.reason, message
    return "False", Reason.NO_CHAMPION, available[2]


def _reconciling(ctx: Context, up_to_date: ConditionValue) -> ConditionValue:
    """Return Reconciling; it is False during a retraining, because the spec is already served."""
    progressing = find(ctx.status.conditions, ConditionType.PROGRESSING)
    if up_to_date[0] == "True" or progressing is None:
        return "False", up_to_date[1], up_to_date[2]
    return progressing.status, progressing.reason, progressing.message


def _stalled(ctx: Context, ready: ConditionValue) -> ConditionValue:
    progressing = find(ctx.status.conditions, ConditionType.PROGRESSING)
    waits = progressing is not None and progressing.status == "True"
    ended = ctx.champion is None and ctx.candidate is None and not waits
    if not ended or ctx.spec.paused or ctx.observed.platform.missing:
        return "False", Reason.NONE, "nothing blocks the model"
    return "True", ready[1], ready[2]
