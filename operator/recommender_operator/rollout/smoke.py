"""The smoke inference of a ready version, before users reach it."""

from __future__ import annotations

import datetime

from recommender_operator.actions import EnsureService, RunSmoke
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.context.reconcile_context import ReconcileContext
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import account_refusals, interruptions

_LOOK = datetime.timedelta(seconds=1)
_POLL = datetime.timedelta(seconds=5)


def smoke_test(ctx: ReconcileContext) -> None:
    """SmokeTesting: only an answer of the current service counts."""
    version = ctx.candidate
    if version is None:
        return
    smoke, service = version.status.smoke, ctx.service(version.name)
    if smoke is None or (service is not None and smoke.service != service.uid):
        _test(ctx, version)
        return
    if not smoke.passed:
        message = f"the smoke inference failed: {smoke.message}"
        ctx.end(version.name, VersionStage.REJECTED, Reason.SMOKE_FAILED, message)
        return
    rollout = ctx.next_number()
    fresh: dict[str, object] = {
        "steps": (),
        "weight": 0,
        "rollout": rollout,
        "interruptions": interruptions.begin(ctx, version.name),
    }
    for extension in ctx.extensions:
        fresh |= extension.start(ctx, version, rollout)
    ctx.move(version.name, VersionStage.CANARY, **fresh)
    made = version.spec.recalibration
    if made is not None and ctx.spec.experiment is not None:
        message = f"{version.name} runs no experiment: its lists are those of {made.of}"
        ctx.info(Reason.ROLLING_OUT, message, version=version.name)


def _test(ctx: ReconcileContext, version: VersionObject) -> None:
    if ctx.is_ready(version.name):
        ctx.do(RunSmoke(version=version.name))
        ctx.requeue(_LOOK)
        return
    if ctx.pod_templates.serving and ctx.service(version.name) is None:
        account_refusals.wait(ctx, version)
        return
    since = version.status.stage_since or ctx.time
    limit = datetime.timedelta(seconds=ctx.spec.serving.ready_deadline_seconds)
    if ctx.due(since, limit, _POLL):
        message = f"not ready for the smoke inference for {limit.total_seconds():.0f} s"
        ctx.end(version.name, VersionStage.ROLLED_BACK, Reason.NOT_READY_IN_TIME, message)
        return
    if ctx.service(version.name) is None:
        ctx.do(EnsureService(version=version.name))
    ctx.requeue(_POLL)
