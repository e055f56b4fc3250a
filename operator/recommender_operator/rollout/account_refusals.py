"""Versions whose service is not written, because the installation refuses its service account.

The permission is the administrator's, so no deadline of a version counts until it is given: a
rollback would blame the version, and lock the model after a few.
"""

from __future__ import annotations

import datetime

from recommender_operator.context.reconcile_context import IDLE, Turn
from recommender_operator.observed import VersionObject


def wait(turn: Turn, version: VersionObject) -> None:
    """Wait, and let the deadline of the stage begin when the account is allowed."""
    since = restarted(turn, version.status.stage_since)
    turn.change(version.name, stage_since=since)
    turn.requeue(IDLE)


def restarted(turn: Turn, since: datetime.datetime | None) -> datetime.datetime:
    """Return the start of a deadline that does not count now, changed at most once a minute."""
    return turn.time if since is None or turn.time - since >= IDLE else since
