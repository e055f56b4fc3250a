"""The core of the operator: a pure function from the observed state and the time to a decision.

It has no I/O, no clock and no randomness. `reconcile` calls it for every cause; after a crash at
any point the next call continues from the state of the cluster.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import assert_never

from recommender_operator.actions import Decision
from recommender_operator.api.version import VersionStage
from recommender_operator.context.extension import Extension
from recommender_operator.context.reconcile_context import ReconcileContext
from recommender_operator.extensions.registry import EXTENSIONS
from recommender_operator.lifecycle import (
    annotation_requests,
    champion_rebuild,
    data_check,
    deletion,
    evaluation,
    finished_jobs,
    handled_requests,
    history_limit,
    publishing,
    rollback,
    services,
    serving_finalizer,
    snapshots,
    standby,
    start,
    training,
    workers,
)
from recommender_operator.monitoring import (
    drift_monitor,
    retrain_proposal,
    rollback_count,
)
from recommender_operator.observed import Observed
from recommender_operator.rollout import canary, deploy, smoke
from recommender_operator.status import acceptance, erasures, model_status, settings_applied

Step = Callable[[ReconcileContext], None]


#: What every pass reports, whatever it did.
_REPORTS = (
    champion_rebuild.report_rebuild,
    acceptance.set_accepted,
    settings_applied.set_settings_applied,
    erasures.set_erasures_complete,
    model_status.project_status,
)


def decide(
    observed: Observed, now: datetime.datetime, extensions: Sequence[Extension] = EXTENSIONS
) -> Decision:
    """Return the actions, the new status, the Events, and when to reconcile again.

    Args:
        observed: the observed state of the cluster.
        now: the time of the observation, with a time zone.
        extensions: what extends the rollout; the core works without them.
    """
    if (rebuilt := champion_rebuild.decision(observed)) is not None:
        return rebuilt
    ctx = ReconcileContext(handled_requests.restored(observed), now, extensions)
    if observed.model.deleting:
        deletion.delete_model(ctx)
        return ctx.finish()
    if not observed.platform.missing:
        for step in (
            rollback_count.settle_rollbacks,
            rollback.roll_back_to,
            standby.choose_standby,
            start.supersede_versions,
            annotation_requests.handle_requests,
            start.start_version,
        ):
            step(ctx)
        _advance(ctx)
        for extension in extensions:
            extension.settle(ctx)
        rollback_count.settle_rollbacks(ctx)
        drift_monitor.monitor_drift(ctx)
        for extension in extensions:
            extension.monitor(ctx)
        for step in (
            snapshots.take_snapshots,
            retrain_proposal.set_condition,
            services.keep_services,
            workers.delete_unneeded_workers,
            finished_jobs.delete_finished_jobs,
            serving_finalizer.hold_serving_versions,
            history_limit.delete_old_versions,
            handled_requests.copy_requests,
        ):
            step(ctx)
    for step in _REPORTS:
        step(ctx)
    return ctx.finish()


def _advance(ctx: ReconcileContext) -> None:
    """Advance the candidate as far as possible; it may pass several stages."""
    for _ in VersionStage:
        before = ctx.candidate
        if before is None:
            return
        stage = before.status.stage
        if (ctx.spec.paused or ctx.held) and stage is not VersionStage.CANARY:
            return
        step_of(stage)(ctx)
        after = ctx.candidate
        if after is None or after.name != before.name or after.status.stage is stage:
            return


def step_of(stage: VersionStage) -> Step:
    """Return the step of a stage."""
    match stage:
        case VersionStage.PENDING | VersionStage.CHECKING_DATA:
            return data_check.check_data
        case VersionStage.TRAINING:
            return training.train_version
        case VersionStage.EVALUATING:
            return evaluation.evaluate_gates
        case VersionStage.PUBLISHING:
            return publishing.publish_artifact
        case VersionStage.PUBLISHED | VersionStage.DEPLOYING:
            return deploy.deploy_version
        case VersionStage.SMOKE_TESTING:
            return smoke.smoke_test
        case VersionStage.CANARY:
            return canary.roll_out
        case (
            VersionStage.PROMOTED
            | VersionStage.FAILED
            | VersionStage.REJECTED
            | VersionStage.ROLLED_BACK
            | VersionStage.SUPERSEDED
        ):
            return _rest
        case _:
            assert_never(stage)


def _rest(_: ReconcileContext) -> None:
    """Do nothing: the version is finished."""
