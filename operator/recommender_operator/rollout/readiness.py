"""Readiness of a candidate during its rollout (eviction, node pressure, a crash)."""

from __future__ import annotations

import datetime

from recommender_operator.actions import EnsureService
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import account_refusals, interruptions, steps

#: Time that an InferenceService may be unready while a pod is ready, because its conditions lag.
#: Without a ready pod, traffic is withdrawn at once.
GRACE = datetime.timedelta(seconds=30)
_POLL = datetime.timedelta(seconds=5)


def holds(ctx: Context, out: Outcome, version: VersionObject) -> bool:
    """Return whether the rollout may continue; if not, withdraw traffic or restore the service."""
    if not interruptions.holds(ctx, out, version.name):
        return False
    if ctx.is_ready(version.name):
        out.change(version.name, unready_since=None)
        return True
    out.requeue(_POLL)
    service = ctx.service(version.name)
    if service is None:
        out.do(EnsureService(version=version.name))
    since = version.status.unready_since or ctx.time
    refused = service is None and bool(ctx.pod_templates.serving)
    if refused and version.status.weight == 0:
        since = account_refusals.restarted(ctx, since)
    out.change(version.name, unready_since=since)
    gone = ctx.time - since
    limit = datetime.timedelta(seconds=ctx.spec.serving.ready_deadline_seconds)
    if ctx.champion is None:
        # No other version could answer.
        return False
    if not refused and out.due(since, limit, _POLL):
        state = f"{service.reason} {service.message}".strip() if service else "it does not exist"
        message = f"its service was not ready for {gone.total_seconds():.0f} s: {state}"
        out.end(version.name, VersionStage.ROLLED_BACK, Reason.CANDIDATE_UNAVAILABLE, message)
        return False
    answers = service is not None and service.ready_pods > 0
    if not out.due(since, GRACE, _POLL) and (answers or not ctx.is_ready(ctx.champion.name)):
        return version.status.weight > 0
    if version.status.weight > 0 and interruptions.withdraw(ctx, out, version.name):
        steps.close(out, version.name, "Inconclusive")
        out.change(version.name, weight=0)
        out.route_first()
        out.warn(
            Reason.CANDIDATE_UNAVAILABLE,
            f"{version.name} has not been ready for {gone.total_seconds():.0f} s: "
            f"{ctx.champion.name} receives all requests until it is",
            version=version.name,
        )
    return False
