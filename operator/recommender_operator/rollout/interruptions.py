"""Interruptions of a rollout that the candidate caused; too many roll it back.

A crash may affect few requests, and the windows before and after it may pass, but a version that
crashes repeatedly is unfit. Evictions and drains do not count.
"""

from __future__ import annotations

from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import Interruptions, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.rollout import steps


def begin(ctx: Context, name: str) -> Interruptions:
    """Return the count at the start of a rollout, which ignores earlier restarts."""
    service = ctx.service(name)
    return Interruptions(seen=service.restarts if service is not None else 0)


def holds(ctx: Context, out: Outcome, name: str) -> bool:
    """Count the restarts since the last pass; return False if the version was rolled back."""
    service = ctx.service(name)
    if service is not None:
        known = ctx.versions[name].status.interruptions
        more = max(0, service.restarts - known.seen)
        counted = {"seen": service.restarts, "restarts": known.restarts + more}
        cause = {"cause": service.restart_reason} if more else {}
        out.change(name, interruptions=known.model_copy(update=counted | cause))
    return _is_within(ctx, out, name)


def withdraw(ctx: Context, out: Outcome, name: str) -> bool:
    """Count a withdrawal of traffic; return False if the version was rolled back."""
    service = ctx.service(name)
    if service is not None and not service.disrupted:
        known = ctx.versions[name].status.interruptions
        counted = {"withdrawals": known.withdrawals + 1}
        out.change(name, interruptions=known.model_copy(update=counted))
    return _is_within(ctx, out, name)


def _is_within(ctx: Context, out: Outcome, name: str) -> bool:
    known, most = (
        ctx.versions[name].status.interruptions,
        ctx.spec.rollout.analysis.max_interruptions,
    )
    if known.count <= most or ctx.champion is None:
        return True
    last = f" (the last: {known.cause})" if known.cause else ""
    message = (
        f"interrupted {known.count} times in this rollout, rollout.analysis.maxInterruptions is "
        f"{most}: {known.restarts} restarts of its containers{last}; its traffic was withdrawn "
        f"{known.withdrawals} times because it was not ready"
    )
    steps.close(out, name, steps.verdict_of(ctx.versions[name].status))
    out.route_first()
    out.end(name, VersionStage.ROLLED_BACK, Reason.CANDIDATE_UNSTABLE, message)
    return False
