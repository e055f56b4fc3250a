"""A retraining: an ordinary version, made from the spec in force and a token in the status.

The token is written first and acted upon at the next look, so that a crash cannot start two.
"""

from __future__ import annotations

import datetime

from recommender_operator.api.conditions import Reason
from recommender_operator.api.status import RetrainStatus
from recommender_operator.observed import VersionObject
from recommender_operator.phases.turn import Turn

_NOW = datetime.timedelta(seconds=1)


def obstacle(turn: Turn, champion: VersionObject) -> str | None:
    """Return why nothing may be retrained now, whatever asks for it."""
    if turn.spec.paused or turn.held:
        return "none while paused or pinned"
    if turn.status.locked:
        return "none while locked; annotate recommender.dev/retry with a new token"
    if turn.spec.data.pinned:
        return f"none, for {turn.spec.data.pinned} would give the same data; remove it"
    if not turn.is_of_spec(champion):
        return "none, for the champion was not made from the spec in force; change the spec"
    return None


def start(turn: Turn, cause: str, reason: str) -> None:
    """Ask for a version of the same spec; `cause` is the first part of its token."""
    token = f"{cause}-{turn.now:%Y%m%d-%H%M%S}"
    retrain = RetrainStatus(
        token=token,
        reason=reason[:1024],
        requested_at=turn.now,
        spec_hash=turn.base_hash,
    )
    turn.set_status(retrain=retrain)
    turn.say(Reason.RETRAIN_STARTED, f"{reason}: a retraining starts ({token})")
    turn.look_again(_NOW)
