"""A retraining: an ordinary version, from the current spec and a token in the status.

The token is written first and used at the next look, so that a crash cannot start two.
"""

from __future__ import annotations

import datetime

from recommender_operator.analysis.drift_reactions import Reaction
from recommender_operator.api.conditions import Reason
from recommender_operator.api.recalibration import Recalibration
from recommender_operator.api.status import RetrainStatus
from recommender_operator.context import drift_causes
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.observed import VersionObject
from recommender_operator.resources import names

_NOW = datetime.timedelta(seconds=1)


def obstacle(turn: Turn, champion: VersionObject) -> str | None:
    """Return why no retraining may start now, for any cause; None if it may."""
    if turn.spec.paused or turn.held:
        return "none while paused or pinned"
    if turn.status.locked:
        return "none while locked; annotate recommender.dev/retry with a new token"
    if turn.spec.data.pinned:
        return f"none, because {turn.spec.data.pinned} gives the same data; remove it"
    if not turn.is_of_spec(champion):
        return "none, because the champion was not trained from the current spec; change the spec"
    return None


def frozen(turn: Turn) -> str | None:
    """Return why nothing retrains by itself, whatever the cause; None if it may."""
    if not drift_causes.reacts(turn, Reaction.FREEZE_RETRAINING):
        return None
    features = ", ".join(turn.status.drift.lacking)
    return (
        f"no automatic retraining, because it would learn from sessions without {features}: "
        "repair what sends them, or set drift.dryRun"
    )


def is_requested(turn: Turn) -> bool:
    """Return whether a retraining is requested that has no version yet: another would replace it.

    Its version is created in the next look, which a cooldown of no seconds does not wait for.
    """
    requested_now = turn.status.retrain != turn.model.status.retrain
    return requested_now or (turn.retrain is not None and turn.desired not in turn.versions)


def start(turn: Turn, cause: str, reason: str, recalibration: Recalibration | None = None) -> None:
    """Request a retraining of the current spec; `cause` is the prefix of its token.

    With a recalibration, the champion's network is kept and nothing is trained.
    """
    token = f"{cause}-{turn.now:%Y%m%d-%H%M%S}"
    retrain = RetrainStatus(
        token=token,
        reason=reason[:1024],
        requested_at=turn.now,
        sequence=turn.next_number(),
        spec_hash=turn.base_hash,
        version=names.desired_version(turn.model.name, turn.spec, token),
        recalibration=recalibration,
    )
    turn.set_status(retrain=retrain)
    if recalibration is None:
        turn.info(Reason.RETRAIN_STARTED, f"{reason}: a retraining starts ({token})")
    else:
        turn.info(Reason.RECALIBRATION_STARTED, f"{reason}: a recalibration starts ({token})")
    turn.requeue(_NOW)
