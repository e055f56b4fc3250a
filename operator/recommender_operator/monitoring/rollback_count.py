"""Consequences of earlier decisions that a crash may have left undone.

- After a rollback, the new champion names the version that it replaced, which is then marked.
- Automatic rollbacks are counted from the versions, each once; too many in a row lock the model.
"""

from __future__ import annotations

from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.version import VersionDecision, VersionStage
from recommender_operator.context import Context, Outcome

#: Reasons of a promotion that rolls the champion back.
_BY_ITSELF = (Reason.BROKEN_AFTER_PROMOTION, Reason.PREVIOUS_IS_BETTER)
_ROLLS_BACK = (Reason.ROLLED_BACK_TO, *_BY_ITSELF)
#: Reasons of a promotion that resets the count of rollbacks.
_ROLLOUT = (Reason.INITIAL_ROLLOUT, Reason.STEPS_PASSED, Reason.PROMOTED_BY_HAND)


def settle_rollbacks(ctx: Context, out: Outcome) -> None:
    """Complete earlier decisions, and count rollbacks."""
    _mark_replaced(ctx, out)
    count_rollbacks(ctx, out)


def _mark_replaced(ctx: Context, out: Outcome) -> None:
    champion = ctx.champion
    if champion is None or champion.status.decision is None:
        return
    decision = champion.status.decision
    replaced = ctx.versions.get(champion.status.replaced or "")
    if decision.reason in _ROLLS_BACK and replaced is not None:
        if replaced.status.stage is not VersionStage.PROMOTED:
            return
        automatic = decision.reason in _BY_ITSELF
        out.end(
            replaced.name,
            VersionStage.ROLLED_BACK,
            decision.reason,
            decision.message,
            automatic=automatic,
        )


def count_rollbacks(ctx: Context, out: Outcome) -> None:
    """Count the new automatic rollbacks, and lock the model after too many."""
    decisions = sorted(
        (v.status.decision for v in ctx.versions.values() if v.status.decision is not None),
        key=lambda d: d.sequence,
    )
    count, through = ctx.status.consecutive_rollbacks, ctx.status.rollbacks_counted_through
    for decision in decisions:
        if decision.sequence <= through:
            continue
        if _is_rollback(decision):
            count, through = count + 1, decision.sequence
        elif decision.reason in _ROLLOUT and decision.outcome == VersionStage.PROMOTED:
            count, through = 0, decision.sequence
    locked = ctx.status.locked or count >= ctx.spec.retrain.lock_after_rollbacks
    out.set_status(consecutive_rollbacks=count, rollbacks_counted_through=through, locked=locked)
    _report_lock(ctx, out)


def _is_rollback(decision: VersionDecision) -> bool:
    # A candidate that is no better than the champion did no harm.
    futile = decision.reason == Reason.EXPERIMENT_FUTILE
    return decision.automatic and decision.outcome == VersionStage.ROLLED_BACK and not futile


def _report_lock(ctx: Context, out: Outcome) -> None:
    count = ctx.status.consecutive_rollbacks
    if not ctx.status.locked:
        out.condition(
            ConditionType.LOCKED,
            "False",
            Reason.UNLOCKED,
            f"automatic rollbacks in a row: {count}; "
            f"{ctx.spec.retrain.lock_after_rollbacks} lock the model",
        )
        return
    message = (
        f"automatic rollbacks in a row: {count}; no new version starts. Check the last decisions "
        "(kubectl get mver), then annotate recommender.dev/retry=<new token>"
    )
    if out.condition(ConditionType.LOCKED, "True", Reason.LOCKED, message):
        out.warn(Reason.LOCKED, message)
