"""A retraining: an ordinary version, from the current spec and a token in the status.

The token is written first and used at the next pass, so that a crash cannot start two.
"""

from __future__ import annotations

import datetime

from recommender_operator.analysis.drift_reactions import Reaction
from recommender_operator.api.conditions import Reason
from recommender_operator.api.status import RetrainStatus
from recommender_operator.context import Context, Outcome, drift_causes
from recommender_operator.context.extension import Derivation
from recommender_operator.observed import VersionObject
from recommender_operator.resources import names

_NOW = datetime.timedelta(seconds=1)


def obstacle(ctx: Context, champion: VersionObject) -> str | None:
    """Return why no retraining may start now, for any cause; None if it may."""
    if ctx.spec.paused or ctx.held:
        return "none while paused or pinned"
    if ctx.status.locked:
        return "none while locked; annotate recommender.dev/retry with a new token"
    if ctx.spec.data.pinned:
        return f"none, because {ctx.spec.data.pinned} gives the same data; remove it"
    if not ctx.is_of_spec(champion):
        return "none, because the champion was not trained from the current spec; change the spec"
    return None


def frozen(ctx: Context) -> str | None:
    """Return why nothing retrains by itself, whatever the cause; None if it may."""
    if Reaction.FREEZE_RETRAINING not in drift_causes.wanted(ctx):
        return None
    features = ", ".join(ctx.status.drift.lacking)
    return (
        f"no automatic retraining, because it would learn from sessions without {features}: "
        "repair what sends them, or set retrain.drift.enabled to false"
    )


def is_requested(ctx: Context) -> bool:
    """Return whether a retraining is requested that has no version yet: another would replace it.

    Its version is created in the next pass, which a cooldown of no seconds does not wait for.
    """
    requested_now = ctx.status.retrain != ctx.model.status.retrain
    return requested_now or (ctx.retrain is not None and ctx.desired not in ctx.versions)


def start(
    ctx: Context, out: Outcome, cause: str, reason: str, derives: Derivation | None = None
) -> None:
    """Request a retraining of the current spec; `cause` is the prefix of its token.

    With a derivation, the champion's network is kept and nothing is trained.
    """
    token = f"{cause}-{ctx.now:%Y%m%d-%H%M%S}"
    retrain = RetrainStatus(
        token=token,
        reason=reason[:1024],
        requested_at=ctx.now,
        sequence=out.next_number(),
        spec_hash=ctx.base_hash,
        version=names.desired_version(ctx.model.name, ctx.spec, token),
    )
    if derives is not None:
        retrain = retrain.model_copy(update=dict(derives.fields))
    out.set_status(retrain=retrain)
    if derives is None:
        out.info(Reason.RETRAIN_STARTED, f"{reason}: a retraining starts ({token})")
    else:
        out.info(derives.reason, f"{reason}: a {derives.noun} starts ({token})")
    out.requeue(_NOW)
