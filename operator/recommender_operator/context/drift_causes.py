"""The confirmed causes of drift, and what the operator does for them.

All decisions about reactions go through `analysis/reactions.py`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from recommender_contract.job_reports import SegmentShift
from recommender_operator.analysis import drift as drifts
from recommender_operator.analysis import label_drift
from recommender_operator.analysis.drift_reactions import Cause, Reaction, reactions
from recommender_operator.api.conditions import Reason
from recommender_operator.api.status_labels import LabelSegment
from recommender_operator.context.reconcile_context import Context
from recommender_operator.observed import VersionObject

#: A break freezes retraining for this time or for so many cooldowns, whatever is longer.
_FREEZE = datetime.timedelta(days=1)
_COOLDOWNS = 3
#: Causes of both versions, the one that explains others first.
_ORDER = (
    Cause.SCHEMA_BREAK, Cause.LOSS_RISE, Cause.INPUT_SHIFT, Cause.CALIBRATION_DRIFT,
    Cause.SEGMENT_DRIFT, Cause.SEGMENT_SHIFT,
)  # fmt: skip
#: The reason of Drifted, and of a proposal, for each cause.
REASONS: Mapping[Cause, Reason] = {
    Cause.INPUT_SHIFT: Reason.SHIFTED,
    Cause.SCHEMA_BREAK: Reason.SCHEMA_BROKEN,
    Cause.LOSS_RISE: Reason.LOSS_ROSE,
    Cause.CALIBRATION_DRIFT: Reason.CALIBRATION_DRIFTED,
    Cause.SEGMENT_DRIFT: Reason.SEGMENT_DRIFTED,
    Cause.SEGMENT_SHIFT: Reason.SEGMENT_SHIFTED,
}


def confirmed(ctx: Context) -> tuple[Cause, ...]:
    """Return the confirmed causes, the one that explains others first."""
    spec, drift = ctx.spec.retrain.drift, ctx.status.drift
    if not spec.enabled:
        return ()
    found = set()
    if drifts.drifted(spec, drift):
        is_break = drift.cause == Cause.SCHEMA_BREAK
        found.add(Cause.SCHEMA_BREAK if is_break else Cause.INPUT_SHIFT)
    labels = drift.labels
    if labels is not None and labels.breaches_in_a_row >= label_drift.needed(spec):
        found |= {cause for cause in Cause if labels.cause == cause}
    elif drifted_segments(ctx):
        # What all users show explains what a segment shows.
        found.add(Cause.SEGMENT_DRIFT)
    if shifted_segments(ctx) and found.isdisjoint({Cause.INPUT_SHIFT, Cause.SCHEMA_BREAK}):
        # In the same way, what all sessions show explains those of a segment.
        found.add(Cause.SEGMENT_SHIFT)
    return tuple(cause for cause in _ORDER if cause in found)


def drifted_segments(ctx: Context) -> tuple[LabelSegment, ...]:
    """Return the segments of the labels with a confirmed drift."""
    labels, least = ctx.status.drift.labels, label_drift.needed(ctx.spec.retrain.drift)
    found = () if labels is None else labels.segments
    return tuple(each for each in found if each.breaches_in_a_row >= least)


def shifted_segments(ctx: Context) -> tuple[SegmentShift, ...]:
    """Return the confirmed shifts inside segments, if they are about the champion's training."""
    seen, champion = ctx.status.drift.segments, ctx.champion
    if seen is None or champion is None or seen.compared_with != champion.data_version:
        return ()
    return seen.shifts


def wanted(ctx: Context) -> frozenset[Reaction]:
    """Return the reactions to the confirmed causes, in every `retrain.mode`."""
    found = confirmed(ctx)
    if Cause.SCHEMA_BREAK in found and is_thawed(ctx):
        # A break may hide a shift permanently, so it retrains as one, and holds back nothing.
        others = (each for each in found if each is not Cause.SCHEMA_BREAK)
        does = frozenset({Reaction.ALERT, Reaction.RETRAIN}).union(*map(reactions, others))
    else:
        does = frozenset[Reaction]().union(*map(reactions, found))
    if Reaction.FREEZE_RETRAINING in does:
        # Labels of what is broken would mislead a calibration and a comparison too.
        return does - {Reaction.RETRAIN, Reaction.RECALIBRATE, Reaction.ROLL_BACK_IF_BETTER}
    # A training fits the calibration at its end.
    return does - {Reaction.RECALIBRATE} if Reaction.RETRAIN in does else does


def is_thawed(ctx: Context) -> bool:
    """Return whether a break has lasted so long that it may be permanent."""
    since = ctx.status.drift.broken_since
    cooldown = datetime.timedelta(seconds=ctx.spec.retrain.drift.cooldown_seconds)
    return since is not None and ctx.time - since >= max(_FREEZE, _COOLDOWNS * cooldown)


def blocks(ctx: Context, version: VersionObject) -> bool:
    """Return whether a confirmed drift blocks the promotion of a version, which is older than it.

    The version of the current retraining is never blocked where retraining is the reaction: the
    drift waits for it, and labels show only later when it began.
    """
    found = [each for each in confirmed(ctx) if Reaction.BLOCK_PROMOTIONS in reactions(each)]
    if not found or Reaction.BLOCK_PROMOTIONS not in wanted(ctx):
        return False
    if Reaction.RETRAIN in wanted(ctx) and retrains(ctx, version):
        return False
    drift, status = ctx.status.drift, version.status
    if status.data_read < drift.began:
        return True
    since = drift.labels.since if drift.labels is not None else None
    read_at = status.data_read_at
    if Cause.LOSS_RISE not in found or since is None or read_at is None:
        return False
    return read_at < since


def retrains(ctx: Context, version: VersionObject) -> bool:
    """Return whether a version is that of the current retraining.

    A derived version is none: its network has learned nothing since.
    """
    return ctx.retrain is not None and ctx.derives is None and version.name == ctx.desired
