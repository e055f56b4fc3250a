"""The core of the operator: a pure function from the observed state and the time to a decision.

It has no I/O, no clock and no randomness. `reconcile` calls it for every cause; after a crash at
any point the next call continues from the state of the cluster.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import assert_never

from recommender_operator.actions import Decision
from recommender_operator.api.version import VersionStage
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.lifecycle import (
    annotation_requests,
    champion_rebuild,
    data_check,
    deletion,
    evaluation,
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
from recommender_operator.monitoring import drift_monitor, holdout_gain, rollback_count
from recommender_operator.observed import Observed
from recommender_operator.rollout import canary, deploy, smoke, user_assignment
from recommender_operator.status import acceptance, erasures, model_status, settings_applied

Step = Callable[[Turn], None]


#: What every look reports, whatever it did.
_REPORTS = (
    champion_rebuild.step,
    acceptance.step,
    settings_applied.step,
    erasures.step,
    model_status.step,
)


def decide(observed: Observed, now: datetime.datetime) -> Decision:
    """Return the actions, the new status, the Events, and when to reconcile again.

    Args:
        observed: the observed state of the cluster.
        now: the time of the observation, with a time zone.
    """
    if (rebuilt := champion_rebuild.decision(observed)) is not None:
        return rebuilt
    turn = Turn(handled_requests.restored(observed), now)
    if observed.model.deleting:
        deletion.step(turn)
        return turn.finish()
    if not observed.platform.missing:
        for step in (
            rollback_count.step,
            rollback.step,
            standby.step,
            start.supersede,
            annotation_requests.step,
            start.step,
        ):
            step(turn)
        _advance(turn)
        user_assignment.step(turn)
        rollback_count.step(turn)
        for step in (
            drift_monitor.step,
            holdout_gain.step,
            snapshots.step,
            services.step,
            workers.step,
            serving_finalizer.step,
            history_limit.step,
            handled_requests.step,
        ):
            step(turn)
    for step in _REPORTS:
        step(turn)
    return turn.finish()


def _advance(turn: Turn) -> None:
    """Advance the candidate as far as possible; it may pass several stages."""
    for _ in VersionStage:
        before = turn.candidate
        if before is None:
            return
        stage = before.status.stage
        if (turn.spec.paused or turn.held) and stage is not VersionStage.CANARY:
            return
        step_of(stage)(turn)
        after = turn.candidate
        if after is None or after.name != before.name or after.status.stage is stage:
            return


def step_of(stage: VersionStage) -> Step:
    """Return the step of a stage."""
    match stage:
        case VersionStage.PENDING | VersionStage.CHECKING_DATA:
            return data_check.step
        case VersionStage.TRAINING:
            return training.step
        case VersionStage.EVALUATING:
            return evaluation.step
        case VersionStage.PUBLISHING:
            return publishing.step
        case VersionStage.PUBLISHED | VersionStage.DEPLOYING:
            return deploy.step
        case VersionStage.SMOKE_TESTING:
            return smoke.step
        case VersionStage.CANARY:
            return canary.step
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


def _rest(_: Turn) -> None:
    """Do nothing: the version is finished."""
