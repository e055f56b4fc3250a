"""The smoke inference of a ready version, before users reach it."""

from __future__ import annotations

import datetime

from recommender_operator.actions import EnsureService, RunSmoke
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import account_refusals, interruptions, user_assignment

_LOOK = datetime.timedelta(seconds=1)
_POLL = datetime.timedelta(seconds=5)


def step(turn: Turn) -> None:
    """SmokeTesting: only an answer of the current service counts."""
    version = turn.candidate
    if version is None:
        return
    smoke, service = version.status.smoke, turn.service(version.name)
    if smoke is None or (service is not None and smoke.service != service.uid):
        _test(turn, version)
        return
    if not smoke.passed:
        message = f"the smoke inference failed: {smoke.message}"
        turn.end(version.name, VersionStage.REJECTED, Reason.SMOKE_FAILED, message)
        return
    rollout = turn.next_number()
    fresh = {
        "steps": (),
        "experiment": user_assignment.begin(turn, version, rollout),
        "weight": 0,
        "rollout": rollout,
        "interruptions": interruptions.begin(turn, version.name),
        "fresh_champion": None,
    }
    turn.move(version.name, VersionStage.CANARY, **fresh)
    made = version.spec.recalibration
    if made is not None and turn.spec.experiment is not None:
        message = f"{version.name} runs no experiment: its lists are those of {made.of}"
        turn.info(Reason.ROLLING_OUT, message, version=version.name)


def _test(turn: Turn, version: VersionObject) -> None:
    if turn.is_ready(version.name):
        turn.do(RunSmoke(version=version.name))
        turn.requeue(_LOOK)
        return
    if turn.accounts.serving and turn.service(version.name) is None:
        account_refusals.wait(turn, version)
        return
    since = version.status.stage_since or turn.time
    limit = datetime.timedelta(seconds=turn.spec.serving.ready_deadline_seconds)
    if turn.due(since, limit, _POLL):
        message = f"not ready for the smoke inference for {limit.total_seconds():.0f} s"
        turn.end(version.name, VersionStage.ROLLED_BACK, Reason.NOT_READY_IN_TIME, message)
        return
    if turn.service(version.name) is None:
        turn.do(EnsureService(version=version.name))
    turn.requeue(_POLL)
