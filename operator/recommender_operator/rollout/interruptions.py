"""Interruptions of a rollout that the candidate caused; too many roll it back.

A crash may affect few requests, and the windows before and after it may pass, but a version that
crashes repeatedly is unfit. Evictions and drains do not count.
"""

from __future__ import annotations

from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import Interruptions, VersionStage
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.rollout import steps


def begin(turn: Turn, name: str) -> Interruptions:
    """Return the count at the start of a rollout, which ignores earlier restarts."""
    service = turn.service(name)
    return Interruptions(seen=service.restarts if service is not None else 0)


def holds(turn: Turn, name: str) -> bool:
    """Count the restarts since the last look; return False if the version was rolled back."""
    service = turn.service(name)
    if service is not None:
        known = turn.versions[name].status.interruptions
        more = max(0, service.restarts - known.seen)
        counted = {"seen": service.restarts, "restarts": known.restarts + more}
        cause = {"cause": service.restart_reason} if more else {}
        turn.change(name, interruptions=known.model_copy(update=counted | cause))
    return _is_within(turn, name)


def withdraw(turn: Turn, name: str) -> bool:
    """Count a withdrawal of traffic; return False if the version was rolled back."""
    service = turn.service(name)
    if service is not None and not service.disrupted:
        known = turn.versions[name].status.interruptions
        counted = {"withdrawals": known.withdrawals + 1}
        turn.change(name, interruptions=known.model_copy(update=counted))
    return _is_within(turn, name)


def _is_within(turn: Turn, name: str) -> bool:
    known, most = turn.versions[name].status.interruptions, turn.spec.analysis.max_interruptions
    if known.count <= most or turn.champion is None:
        return True
    last = f" (the last: {known.cause})" if known.cause else ""
    message = (
        f"interrupted {known.count} times in this rollout, analysis.maxInterruptions is {most}: "
        f"{known.restarts} restarts of its containers{last}; its traffic was withdrawn "
        f"{known.withdrawals} times because it was not ready"
    )
    steps.close(turn, name, steps.verdict_of(turn.versions[name].status))
    turn.route_first()
    turn.end(name, VersionStage.ROLLED_BACK, Reason.CANDIDATE_UNSTABLE, message)
    return False
