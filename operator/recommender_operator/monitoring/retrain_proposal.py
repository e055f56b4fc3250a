"""The condition RetrainProposed: in `retrain.mode: Propose` a person decides on a retraining."""

from __future__ import annotations

from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.spec import RetrainMode
from recommender_operator.context import Context, Outcome
from recommender_operator.context.extension import Refused
from recommender_operator.monitoring import remedies, retraining
from recommender_operator.observed import VersionObject

_KIND = ConditionType.RETRAIN_PROPOSED
_OFF = {
    RetrainMode.MANUAL: "retrain.mode is Manual: recommender.dev/retrain starts a retraining",
    RetrainMode.AUTO: "retrain.mode is Auto: a retraining starts without a proposal",
}


def set_condition(ctx: Context, out: Outcome) -> None:
    """Set RetrainProposed to the first proposal of this pass, with one Event."""
    if off := _OFF.get(ctx.spec.retrain.mode):
        out.condition(_KIND, "False", Reason.DISABLED, off)
        return
    if not out.proposals:
        out.condition(_KIND, "False", Reason.NONE, "nothing asks for a retraining")
        return
    reason, what, why = out.proposals[0]
    message = (
        f"{what} is proposed: {why}. To accept it, annotate recommender.dev/retrain=<new token>"
    )
    if out.condition(_KIND, "True", reason, message):
        out.info(Reason.RETRAIN_PROPOSED, message)


def accept(ctx: Context, out: Outcome, champion: VersionObject, token: str) -> tuple[bool, str]:
    """Start what is proposed, or else a retraining; return whether it is refused, and the answer.

    Another remedy is proposed only while nothing else drifts, so it is planned again.
    """
    proposed = find(ctx.model.status.conditions, _KIND)
    requested = f"requested by annotation {token!r}"
    is_open = proposed is not None and proposed.status == "True"
    if proposed is None or not is_open or ctx.spec.retrain.mode is not RetrainMode.PROPOSE:
        return _retrain(ctx, out, requested)
    if (remedy := remedies.proposed(ctx, proposed.reason)) is not None:
        if missing := remedy.obstacle(ctx, champion):
            return True, f"no {remedy.noun}{missing.removeprefix('none')}"
        planned = remedy.plan(ctx, champion)
        if not isinstance(planned, Refused):
            _cool_down(ctx, out)
            retraining.start(ctx, out, planned.cause, requested, planned)
            return False, f"a {planned.noun} of {planned.source} starts, as proposed"
    if proposed.reason != Reason.NEW_SNAPSHOTS:
        _cool_down(ctx, out)
    snapshots, enough = ctx.status.snapshots, ctx.spec.retrain.after_snapshots
    if snapshots is not None and enough is not None and snapshots.since_retraining >= enough:
        out.set_status(snapshots=snapshots.model_copy(update={"since_retraining": 0}))
    return _retrain(ctx, out, requested)


def _retrain(ctx: Context, out: Outcome, requested: str) -> tuple[bool, str]:
    retraining.start(ctx, out, "request", requested)
    return False, "a retraining of the current spec starts, with the data of its check"


def _cool_down(ctx: Context, out: Outcome) -> None:
    """Let `retrain.drift.cooldownSeconds` pass before the next proposal for drift."""
    out.set_status(drift=ctx.status.drift.model_copy(update={"reacted_at": ctx.time}))
