"""Deployment of a published version, without requests, until it is ready."""

from __future__ import annotations

import datetime

from recommender_operator.actions import EnsureService
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.rollout import account_refusals

_POLL = datetime.timedelta(seconds=5)


def deploy_version(ctx: Context, out: Outcome) -> None:
    """Published and Deploying: roll back a version that is not ready in time.

    A version whose service cannot be written, because the installation refuses its account, waits.
    What runs with earlier settings goes on.
    """
    version = ctx.candidate
    if version is None:
        return
    if version.status.stage is VersionStage.PUBLISHED:
        out.move(version.name, VersionStage.DEPLOYING)
        return
    service = ctx.service(version.name)
    refused = bool(ctx.pod_templates.serving)
    if service is not None and service.ready and (refused or not service.outdated):
        out.move(version.name, VersionStage.SMOKE_TESTING)
        return
    if service is None or service.outdated:
        if refused:
            account_refusals.wait(ctx, out, version)
            return
        out.do(EnsureService(version=version.name))
    since = version.status.stage_since or ctx.time
    limit = datetime.timedelta(seconds=ctx.spec.serving.ready_deadline_seconds)
    if out.due(since, limit, _POLL):
        state = f"{service.reason} {service.message}".strip() if service else "it does not exist"
        message = f"the service was not ready within {limit.total_seconds():.0f} s: {state}"
        out.end(version.name, VersionStage.ROLLED_BACK, Reason.NOT_READY_IN_TIME, message)
        return
    out.requeue(_POLL)
