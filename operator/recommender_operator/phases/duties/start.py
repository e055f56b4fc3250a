"""Start the version that the spec asks for: create it, roll a known one out anew, or wait."""

from __future__ import annotations

import datetime

from recommender_operator.actions import CreateVersion
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import TERMINAL, ModelVersionSpec, VersionStage
from recommender_operator.observed import VersionObject
from recommender_operator.phases.turn import IDLE, Turn
from recommender_operator.phases.view import STAND_IN, fresh_rollout

#: A failed data check is repeated after so long, then after twice as long, and so on.
RECHECK = datetime.timedelta(minutes=5)
RECHECK_DOUBLINGS = 4
_NOW = datetime.timedelta(seconds=1)


def step(turn: Turn) -> None:
    """See to it that the desired version is on its way, if it may be."""
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
        turn.say(Reason.ROLLING_OUT, f"{turn.called(version)} starts again", version=version.name)
    elif stage is VersionStage.FAILED:
        _recheck(turn, version)


def _is_due_again(turn: Turn, version: VersionObject) -> bool:
    """A baseline that ended before the version asked for failed its gates anew is tried again."""
    asked, ended = turn.versions.get(turn.asked), version.status.decision
    if not turn.is_stand_in(version) or turn.status.locked:
        return False
    if version.status.stage not in TERMINAL or asked is None or ended is None:
        return False
    rejected = asked.status.decision
    return rejected is not None and ended.sequence < rejected.sequence


def _create(turn: Turn) -> None:
    trigger = f"Retrain: {turn.retrain.reason}" if turn.retrain else "Spec"
    if turn.stands_in:
        trigger = f"{STAND_IN} {turn.asked}, which failed its gates ({trigger})"
    spec = ModelVersionSpec(
        model=turn.model.name,
        spec_hash=turn.desired_hash,
        data=turn.spec.data,
        training=turn.desired_training,
        trigger=trigger[:1024],
    )
    turn.do(CreateVersion(name=turn.desired, spec=spec))
    turn.say("VersionCreated", f"{turn.desired} was created ({trigger})", version=turn.desired)
    turn.look_again(_NOW)


def _roll_out_anew(turn: Turn, version: VersionObject) -> None:
    """A version that once worked needs no training; its rollout starts over."""
    values = fresh_rollout(version.status)
    turn.change(version.name, **values, stage_since=turn.time)
    turn.say(Reason.ROLLING_OUT, f"the spec asks for {version.name} again", version=version.name)


def _recheck(turn: Turn, version: VersionObject) -> None:
    """Data changes without notice, so a failed check is repeated; a failed training is not."""
    decision = version.status.decision
    if decision is None or decision.stage is not VersionStage.CHECKING_DATA:
        return
    since = version.status.stage_since or turn.time
    pause = RECHECK * 2 ** min(version.status.attempt, RECHECK_DOUBLINGS)
    if not turn.due(since, pause, IDLE) or turn.status.locked:
        turn.look_again(since + pause - turn.time)
        return
    # The failure stays readable until a check succeeds.
    turn.change(
        version.name,
        stage=VersionStage.CHECKING_DATA,
        stage_since=turn.time,
        attempt=version.status.attempt + 1,
    )
