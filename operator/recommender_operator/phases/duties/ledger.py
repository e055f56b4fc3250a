"""What earlier decisions entail, whatever was lost of them in a crash.

- A rollback names in the new champion whom it replaced; that one is marked, if it was not yet.
- Automatic rollbacks are counted from the versions, each once; too many in a row lock the model.
"""

from __future__ import annotations

from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.version import VersionDecision, VersionStage
from recommender_operator.phases.turn import Turn

#: Reasons of a promotion that puts the champion before it aside.
_PUTS_ASIDE = (Reason.ROLLED_BACK_TO, Reason.BROKEN_AFTER_PROMOTION)
#: Reasons of a promotion that proves the pipeline good again.
_ROLLOUT = (Reason.INITIAL_ROLLOUT, Reason.STEPS_PASSED, Reason.PROMOTED_BY_HAND)


def step(turn: Turn) -> None:
    """Repair what a crash left half done."""
    _mark_replaced(turn)
    count_rollbacks(turn)


def _mark_replaced(turn: Turn) -> None:
    champion = turn.champion
    if champion is None or champion.status.decision is None:
        return
    decision = champion.status.decision
    replaced = turn.versions.get(champion.status.replaced or "")
    if decision.reason in _PUTS_ASIDE and replaced is not None:
        if replaced.status.stage is not VersionStage.PROMOTED:
            return
        automatic = decision.reason == Reason.BROKEN_AFTER_PROMOTION
        turn.end(
            replaced.name,
            VersionStage.ROLLED_BACK,
            decision.reason,
            decision.message,
            automatic=automatic,
        )


def count_rollbacks(turn: Turn) -> None:
    """Fold the automatic rollbacks that are not counted yet into the status."""
    decisions = sorted(
        (v.status.decision for v in turn.versions.values() if v.status.decision is not None),
        key=lambda d: d.sequence,
    )
    count, through = turn.status.consecutive_rollbacks, turn.status.rollbacks_counted_through
    for decision in decisions:
        if decision.sequence <= through:
            continue
        if _is_rollback(decision):
            count, through = count + 1, decision.sequence
        elif decision.reason in _ROLLOUT and decision.outcome == VersionStage.PROMOTED:
            count, through = 0, decision.sequence
    locked = turn.status.locked or count >= turn.spec.retrain.lock_after_rollbacks
    turn.set_status(consecutive_rollbacks=count, rollbacks_counted_through=through, locked=locked)
    _say_lock(turn)


def _is_rollback(decision: VersionDecision) -> bool:
    return decision.automatic and decision.outcome == VersionStage.ROLLED_BACK


def _say_lock(turn: Turn) -> None:
    count = turn.status.consecutive_rollbacks
    if not turn.status.locked:
        turn.condition(
            ConditionType.LOCKED,
            "False",
            Reason.UNLOCKED,
            f"automatic rollbacks in a row: {count}; "
            f"{turn.spec.retrain.lock_after_rollbacks} would lock",
        )
        return
    message = (
        f"automatic rollbacks in a row: {count}; no new version is started. Look at the last "
        "decisions (kubectl get mver), then annotate recommender.dev/retry=<new token>"
    )
    if turn.condition(ConditionType.LOCKED, "True", Reason.LOCKED, message):
        turn.warn(Reason.LOCKED, message)
