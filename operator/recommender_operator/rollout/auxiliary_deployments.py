"""Deployments that a rollout has beside champion and candidate, and can go on without.

It waits for one before the first step, for a bounded time, so that all begin alike.
"""

from __future__ import annotations

import datetime

from recommender_operator.context import Context, Outcome
from recommender_operator.rollout import account_refusals

_POLL = datetime.timedelta(seconds=5)


def wait(
    ctx: Context, out: Outcome, name: str, since: datetime.datetime
) -> tuple[datetime.datetime, str]:
    """Return since when an unready deployment is waited for, and why no longer (empty: it is)."""
    out.requeue(_POLL)
    if ctx.service(name) is None and ctx.pod_templates.serving:
        return account_refusals.restarted(ctx, since), ""
    limit = datetime.timedelta(seconds=ctx.spec.serving.ready_deadline_seconds)
    if not out.due(since, limit, _POLL):
        return since, ""
    return since, f"it was not ready for {limit.total_seconds():.0f} s; {state(ctx, name)}"


def state(ctx: Context, name: str) -> str:
    """Return why a deployment is not ready."""
    service = ctx.service(name)
    if service is None:
        refused = ctx.observed.traffic.refused.get(name)
        return f"{name} is not ready ({refused or 'it does not exist'})"
    found = f"{service.reason} {service.message}".strip()
    what = "only partly ready" if service.ready_pods > 0 else "not ready"
    return f"{name} is {what}" + (f" ({found})" if found else "")
