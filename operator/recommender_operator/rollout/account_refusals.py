"""Versions whose service is not written, because the installation refuses its service account.

The permission is the administrator's, so no deadline of a version counts until it is given: a
rollback would blame the version, and lock the model after a few.
"""

from __future__ import annotations

import datetime

from recommender_operator.context import Context, Outcome
from recommender_operator.context.outcome import IDLE
from recommender_operator.observed import VersionObject


def wait(ctx: Context, out: Outcome, version: VersionObject) -> None:
    """Wait, and let the deadline of the stage begin when the account is allowed."""
    since = restarted(ctx, version.status.stage_since)
    out.change(version.name, stage_since=since)
    out.requeue(IDLE)


def restarted(ctx: Context, since: datetime.datetime | None) -> datetime.datetime:
    """Return the start of a deadline that does not count now, changed at most once a minute."""
    return ctx.time if since is None or ctx.time - since >= IDLE else since
