"""The smoke inference of a ready version, before users reach it."""

from __future__ import annotations

import datetime

from recommender_operator.actions import EnsureService, RunSmoke
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import account_refusals, interruptions

_LOOK = datetime.timedelta(seconds=1)
_POLL = datetime.timedelta(seconds=5)


def record_answers(ctx: Context, out: Outcome) -> None:
    """Record what versions answered to a smoke inference of this pass."""
    for name, answer in ctx.observed.smokes.items():
        out.change(name, smoke=answer)


def smoke_test(ctx: Context, out: Outcome) -> None:
    """SmokeTesting: only an answer of the current service counts."""
    version = ctx.candidate
    if version is None:
        return
    smoke, service = version.status.smoke, ctx.service(version.name)
    if smoke is None or (service is not None and smoke.service != service.uid):
        _test(ctx, out, version)
        return
    if not smoke.passed:
        message = f"the smoke inference failed: {smoke.message}"
        out.end(version.name, VersionStage.REJECTED, Reason.SMOKE_FAILED, message)
        return
    rollout = out.next_number()
    fresh: dict[str, object] = {
        "steps": (),
        "weight": 0,
        "rollout": rollout,
        "interruptions": interruptions.begin(ctx, version.name),
    }
    for extension in ctx.extensions:
        fresh |= extension.start(ctx, out, version, rollout)
    out.move(version.name, VersionStage.CANARY, **fresh)
    made = ctx.derivation(version.spec)
    if made is not None and ctx.spec.rollout.experiment is not None:
        message = f"{version.name} runs no experiment: its lists are those of {made.source}"
        out.info(Reason.ROLLING_OUT, message, version=version.name)


def _test(ctx: Context, out: Outcome, version: VersionObject) -> None:
    if ctx.is_ready(version.name):
        out.do(RunSmoke(version=version.name))
        out.requeue(_LOOK)
        return
    if ctx.pod_templates.serving and ctx.service(version.name) is None:
        account_refusals.wait(ctx, out, version)
        return
    since = version.status.stage_since or ctx.time
    limit = datetime.timedelta(seconds=ctx.spec.serving.ready_deadline_seconds)
    if out.due(since, limit, _POLL):
        message = f"not ready for the smoke inference for {limit.total_seconds():.0f} s"
        out.end(version.name, VersionStage.ROLLED_BACK, Reason.NOT_READY_IN_TIME, message)
        return
    if ctx.service(version.name) is None:
        out.do(EnsureService(version=version.name))
    out.requeue(_POLL)
