"""Start of the desired version: create it, roll out an existing one again, or wait.

Versions that the spec no longer describes end before the next one starts.
"""

from __future__ import annotations

import datetime

from recommender_operator.actions import CreateVersion
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import TERMINAL, ModelVersionSpec, VersionStage
from recommender_operator.context.reconcile_context import IDLE, ReconcileContext
from recommender_operator.context.rollout_state import STAND_IN, fresh_rollout
from recommender_operator.observed import VersionObject

#: Pause before a data check is repeated; it doubles with each attempt.
RECHECK = datetime.timedelta(minutes=5)
RECHECK_DOUBLINGS = 4
_NOW = datetime.timedelta(seconds=1)


def supersede_versions(ctx: ReconcileContext) -> None:
    """End every unfinished version except the desired one; running Jobs may finish unused."""
    if ctx.spec.paused or ctx.held:
        return
    for version in ctx.unfinished:
        if version.name != ctx.desired:
            ctx.end(
                version.name,
                VersionStage.SUPERSEDED,
                Reason.SUPERSEDED,
                f"the spec now describes {ctx.desired}",
            )


def start_version(ctx: ReconcileContext) -> None:
    """Start the desired version, if allowed."""
    if ctx.spec.paused or ctx.held:
        return
    version = ctx.versions.get(ctx.desired)
    if version is None:
        if not ctx.status.locked:
            _create(ctx)
        return
    stage = version.status.stage
    champion = ctx.champion
    if stage is VersionStage.PROMOTED and champion is not None and champion.name == version.name:
        return
    if stage in (VersionStage.PROMOTED, VersionStage.SUPERSEDED):
        if not ctx.status.locked:
            _roll_out_anew(ctx, version)
    elif _is_due_again(ctx, version):
        values = fresh_rollout(version.status)
        ctx.change(version.name, **values, attempt=version.status.attempt + 1)
        ctx.change(version.name, stage_since=ctx.time)
        ctx.info(
            Reason.ROLLING_OUT, f"{ctx.display_name(version)} starts again", version=version.name
        )
    elif stage is VersionStage.FAILED:
        _recheck(ctx, version)


def _is_due_again(ctx: ReconcileContext, version: VersionObject) -> bool:
    """Return whether a stand-in ended before its original failed the gates again."""
    original, ended = ctx.versions.get(ctx.specified), version.status.decision
    if not ctx.is_stand_in(version) or ctx.status.locked:
        return False
    if version.status.stage not in TERMINAL or original is None or ended is None:
        return False
    rejected = original.status.decision
    return rejected is not None and ended.sequence < rejected.sequence


def _create(ctx: ReconcileContext) -> None:
    kind = "Retrain" if ctx.recalibration is None else "Recalibrate"
    trigger = f"{kind}: {ctx.retrain.reason}" if ctx.retrain else "Spec"
    if ctx.stands_in:
        trigger = f"{STAND_IN} {ctx.specified}, which failed its gates ({trigger})"
    spec = ModelVersionSpec(
        model=ctx.model.name,
        spec_hash=ctx.desired_hash,
        data=ctx.spec.data,
        # Where its pods run is no part of a version: it may change.
        training=ctx.desired_training.model_copy(update={"pod_template": None}),
        trigger=trigger[:1024],
        recalibration=ctx.recalibration,
    )
    ctx.do(CreateVersion(name=ctx.desired, spec=spec))
    ctx.info("VersionCreated", f"{ctx.desired} was created ({trigger})", version=ctx.desired)
    ctx.requeue(_NOW)


def _roll_out_anew(ctx: ReconcileContext, version: VersionObject) -> None:
    """Start the rollout of a trained version again."""
    values = fresh_rollout(version.status)
    ctx.change(version.name, **values, stage_since=ctx.time)
    ctx.info(Reason.ROLLING_OUT, f"the spec describes {version.name} again", version=version.name)


def _recheck(ctx: ReconcileContext, version: VersionObject) -> None:
    """Repeat a failed data check, because the data may have changed.

    A failed training is not repeated, unless an erasure of a user took its data away: a check
    gives it the data without the user.
    """
    decision = version.status.decision
    if decision is None:
        return
    lost_data = decision.reason == Reason.DATA_VERSION_ERASED
    if decision.stage is not VersionStage.CHECKING_DATA and not lost_data:
        return
    since = version.status.stage_since or ctx.time
    pause = RECHECK * 2 ** min(version.status.attempt, RECHECK_DOUBLINGS)
    if not ctx.due(since, pause, IDLE) or ctx.status.locked:
        ctx.requeue(since + pause - ctx.time)
        return
    # The failure stays in the status until a check succeeds.
    ctx.change(
        version.name,
        stage=VersionStage.CHECKING_DATA,
        stage_since=ctx.time,
        attempt=version.status.attempt + 1,
    )
