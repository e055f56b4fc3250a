"""Start of the desired version: create it, roll out an existing one again, or wait.

Versions that the spec no longer describes end before the next one starts.
"""

from __future__ import annotations

import datetime

from recommender_operator.actions import CreateVersion
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import TERMINAL, ModelVersionSpec, VersionStage
from recommender_operator.context.reconcile_context import IDLE, Turn
from recommender_operator.context.rollout_state import STAND_IN, fresh_rollout
from recommender_operator.observed import VersionObject

#: Pause before a data check is repeated; it doubles with each attempt.
RECHECK = datetime.timedelta(minutes=5)
RECHECK_DOUBLINGS = 4
_NOW = datetime.timedelta(seconds=1)


def supersede(turn: Turn) -> None:
    """End every unfinished version except the desired one; running Jobs may finish unused."""
    if turn.spec.paused or turn.held:
        return
    for version in turn.unfinished:
        if version.name != turn.desired:
            turn.end(
                version.name,
                VersionStage.SUPERSEDED,
                Reason.SUPERSEDED,
                f"the spec now describes {turn.desired}",
            )


def step(turn: Turn) -> None:
    """Start the desired version, if allowed."""
    if turn.spec.paused or turn.held:
        return
    version = turn.versions.get(turn.desired)
    if version is None:
        if not turn.status.locked:
            _create(turn)
        return
    stage = version.status.stage
    champion = turn.champion
    if stage is VersionStage.PROMOTED and champion is not None and champion.name == version.name:
        return
    if stage in (VersionStage.PROMOTED, VersionStage.SUPERSEDED):
        if not turn.status.locked:
            _roll_out_anew(turn, version)
    elif _is_due_again(turn, version):
        values = fresh_rollout(version.status)
        turn.change(version.name, **values, attempt=version.status.attempt + 1)
        turn.change(version.name, stage_since=turn.time)
        turn.info(
            Reason.ROLLING_OUT, f"{turn.display_name(version)} starts again", version=version.name
        )
    elif stage is VersionStage.FAILED:
        _recheck(turn, version)


def _is_due_again(turn: Turn, version: VersionObject) -> bool:
    """Return whether a stand-in ended before its original failed the gates again."""
    original, ended = turn.versions.get(turn.specified), version.status.decision
    if not turn.is_stand_in(version) or turn.status.locked:
        return False
    if version.status.stage not in TERMINAL or original is None or ended is None:
        return False
    rejected = original.status.decision
    return rejected is not None and ended.sequence < rejected.sequence


def _create(turn: Turn) -> None:
    kind = "Retrain" if turn.recalibration is None else "Recalibrate"
    trigger = f"{kind}: {turn.retrain.reason}" if turn.retrain else "Spec"
    if turn.stands_in:
        trigger = f"{STAND_IN} {turn.specified}, which failed its gates ({trigger})"
    spec = ModelVersionSpec(
        model=turn.model.name,
        spec_hash=turn.desired_hash,
        data=turn.spec.data,
        # Where its pods run is no part of a version: it may change.
        training=turn.desired_training.model_copy(update={"scheduling": None}),
        trigger=trigger[:1024],
        recalibration=turn.recalibration,
    )
    turn.do(CreateVersion(name=turn.desired, spec=spec))
    turn.info("VersionCreated", f"{turn.desired} was created ({trigger})", version=turn.desired)
    turn.requeue(_NOW)


def _roll_out_anew(turn: Turn, version: VersionObject) -> None:
    """Start the rollout of a trained version again."""
    values = fresh_rollout(version.status)
    turn.change(version.name, **values, stage_since=turn.time)
    turn.info(Reason.ROLLING_OUT, f"the spec describes {version.name} again", version=version.name)


def _recheck(turn: Turn, version: VersionObject) -> None:
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
    since = version.status.stage_since or turn.time
    pause = RECHECK * 2 ** min(version.status.attempt, RECHECK_DOUBLINGS)
    if not turn.due(since, pause, IDLE) or turn.status.locked:
        turn.requeue(since + pause - turn.time)
        return
    # The failure stays in the status until a check succeeds.
    turn.change(
        version.name,
        stage=VersionStage.CHECKING_DATA,
        stage_since=turn.time,
        attempt=version.status.attempt + 1,
    )
