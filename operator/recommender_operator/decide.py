"""The core of the operator: a pure function from the observed state and the time to a decision.

It has no I/O, no clock and no randomness. `reconcile` calls it for every cause; after a crash at
any point the next call continues from the state of the cluster.

A pass is the list of steps below. Each reads the `Context` and records into the `Outcome`, which
the next one sees in its context; `reduce` makes the decision of the whole.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence

from recommender_operator.actions import Decision
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.context.extension import Extension
from recommender_operator.context.reducer import reduce
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

Step = Callable[[Context, Outcome], None]

#: The step of each stage in which a version can be a candidate.
STAGES: Mapping[VersionStage, Step] = {
    VersionStage.PENDING: data_check.check_data,
    VersionStage.CHECKING_DATA: data_check.check_data,
    VersionStage.TRAINING: training.train_version,
    VersionStage.EVALUATING: evaluation.evaluate_gates,
    VersionStage.PUBLISHING: publishing.publish_artifact,
    VersionStage.PUBLISHED: deploy.deploy_version,
    VersionStage.DEPLOYING: deploy.deploy_version,
    VersionStage.SMOKE_TESTING: smoke.smoke_test,
    VersionStage.CANARY: canary.roll_out,
}


def advance_candidate(ctx: Context, out: Outcome) -> None:
    """Advance the candidate as far as possible; it may pass several stages."""
    for _ in STAGES:
        before = ctx.candidate
        if before is None:
            return
        stage = before.status.stage
        if (ctx.spec.paused or ctx.held) and stage is not VersionStage.CANARY:
            return
        if not any(extension.advance(ctx, out, before) for extension in ctx.extensions):
            STAGES[stage](ctx, out)
        after = ctx.candidate
        if after is None or after.name != before.name or after.status.stage is stage:
            return


def settle_extensions(ctx: Context, out: Outcome) -> None:
    """Let each extension record what follows from the decided split."""
    for extension in ctx.extensions:
        extension.settle(ctx, out)


#: Decide and act: a pass of a model that is not deleted, on a cluster that has all APIs.
ACTIONS: tuple[Step, ...] = (
    smoke.record_answers,
    rollback_count.settle_rollbacks,  # what an earlier pass left undone
    rollback.roll_back_to,
    standby.choose_standby,
    start.supersede_versions,
    annotation_requests.handle_requests,
    start.start_version,
    advance_candidate,
    settle_extensions,
    rollback_count.settle_rollbacks,  # what this pass decided
    drift_monitor.monitor_drift,
    snapshots.take_snapshots,
    retrain_proposal.set_condition,
    services.keep_services,
    workers.delete_unneeded_workers,
    finished_jobs.delete_finished_jobs,
    serving_finalizer.hold_serving_versions,
    history_limit.delete_old_versions,
    handled_requests.copy_requests,
)
#: Report: every pass but that of a deletion, whatever it did.
REPORTS: tuple[Step, ...] = (
    champion_rebuild.report_rebuild,
    acceptance.set_accepted,
    settings_applied.set_settings_applied,
    erasures.set_erasures_complete,
    model_status.project_status,
    model_status.record_weights,
)
DELETION: tuple[Step, ...] = (deletion.delete_model,)


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
    out = Outcome(handled_requests.restored(observed), now, extensions)
    ctx = Context(out)
    if observed.model.deleting:
        steps = DELETION
    else:
        steps = REPORTS if observed.platform.missing else ACTIONS + REPORTS
    for step in steps:
        step(ctx, out)
    return reduce(ctx, out)
