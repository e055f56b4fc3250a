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
from recommender_operator.observed import Observed
from recommender_operator.phases.conditions import acceptance, erasures, project, without_effect
from recommender_operator.phases.duties import (
    commands,
    delete,
    history,
    holding,
    holdout,
    ledger,
    monitor,
    remembering,
    rollback,
    services,
    snapshots,
    standby,
    start,
    supersede,
)
from recommender_operator.phases.stages import (
    assigning,
    canary,
    data,
    deploy,
    evaluate,
    publish,
    smoke,
    train,
    workers,
)
from recommender_operator.phases.turn import Turn

Step = Callable[[Turn], None]


def decide(observed: Observed, now: datetime.datetime) -> Decision:
    """Return the actions, the new status, the Events, and when to reconcile again.

    Args:
        observed: the observed state of the cluster.
        now: the time of the observation, with a time zone.
    """
    turn = Turn(remembering.restored(observed), now)
    if observed.model.deleting:
        delete.step(turn)
        return turn.finish()
    if not observed.platform.missing:
        for step in (
            ledger.step,
            rollback.step,
            standby.step,
            supersede.step,
            commands.step,
            start.step,
        ):
            step(turn)
        _advance(turn)
        assigning.step(turn)
        ledger.step(turn)
        for step in (
            monitor.step,
            holdout.step,
            snapshots.step,
            services.step,
            workers.step,
            holding.step,
            history.step,
            remembering.step,
        ):
            step(turn)
    acceptance.step(turn)
    without_effect.step(turn)
    erasures.step(turn)
    project.step(turn)
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
            return data.step
        case VersionStage.TRAINING:
            return train.step
        case VersionStage.EVALUATING:
            return evaluate.step
        case VersionStage.PUBLISHING:
            return publish.step
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
