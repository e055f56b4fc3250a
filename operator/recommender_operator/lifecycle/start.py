"""Start of the desired version: create it, roll out an existing one again, or wait.

Versions that the spec no longer describes end before the next one starts.
"""

from __future__ import annotations

import datetime

from recommender_operator.actions import CreateVersion
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import TERMINAL, ModelVersionSpec, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.context.outcome import IDLE
from recommender_operator.context.reconcile_context import STAND_IN
from recommender_operator.observed import VersionObject

#: Pause before a data check is repeated; it doubles with each attempt.
RECHECK = datetime.timedelta(minutes=5)
RECHECK_DOUBLINGS = 4
_NOW = datetime.timedelta(seconds=1)


def supersede_versions(ctx: Context, out: Outcome) -> None:
    """End every unfinished version except the desired one; running Jobs may finish unused."""
    if ctx.spec.paused or ctx.held:
        return
    for version in ctx.unfinished:
        if version.name != ctx.desired:
            out.end(
                version.name,
                VersionStage.SUPERSEDED,
                Reason.SUPERSEDED,
                f"the spec now describes {ctx.desired}",
            )


def start_version(ctx: Context, out: Outcome) -> None:
    """Start the desired version, if allowed."""
    if ctx.spec.paused or ctx.held:
        return
    version = ctx.versions.get(ctx.desired)
    if version is None:
        if not ctx.status.locked:
            _create(ctx, out)
        return
    stage = version.status.stage
    champion = ctx.champion
    if stage is VersionStage.PROMOTED and champion is not None and champion.name == version.name:
        return
    if stage in (VersionStage.PROMOTED, VersionStage.SUPERSEDED):
        if not ctx.status.locked:
            out.restart(version.name, attempts=0)
            message = f"the spec describes {version.name} again"
            out.info(Reason.ROLLING_OUT, message, version=version.name)
    elif _is_due_again(ctx, version):
        out.restart(version.name)
        out.info(
            Reason.ROLLING_OUT, f"{ctx.display_name(version)} starts again", version=version.name
        )
    elif stage is VersionStage.FAILED:
        _recheck(ctx, out, version)


def _is_due_again(ctx: Context, version: VersionObject) -> bool:
    """Return whether a stand-in ended before its original failed the gates again."""
    original, ended = ctx.versions.get(ctx.specified), version.status.decision
    if not ctx.is_stand_in(version) or ctx.status.locked:
        return False
    if version.status.stage not in TERMINAL or original is None or ended is None:
        return False
    rejected = original.status.decision
    return rejected is not None and ended.sequence < rejected.sequence


def _create(ctx: Context, out: Outcome) -> None:
    kind = "Retrain" if ctx.derives is None else ctx.derives.trigger
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
    )
    if ctx.derives is not None:
        spec = spec.model_copy(update=dict(ctx.derives.fields))
    out.do(CreateVersion(name=ctx.desired, spec=spec))
    out.info("VersionCreated", f"{ctx.desired} was created ({trigger})", version=ctx.desired)
    out.requeue(_NOW)


def _recheck(ctx: Context, out: Outcome, version: VersionObject) -> None:
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
    if not out.due(since, pause, IDLE) or ctx.status.locked:
        out.requeue(since + pause - ctx.time)
        return
    # The failure stays in the status until a check succeeds.
    out.change(
        version.name,
        stage=VersionStage.CHECKING_DATA,
        stage_since=ctx.time,
        attempt=version.status.attempt + 1,
    )
