"""Interruptions of a rollout by the candidate's own fault: so many, and it is rolled back.

A crash may cost few requests, and the windows before and after it may pass; a version that
crashes again and again is unfit all the same. What comes from outside (an eviction, a drain) is
neither counted against a version nor for it.
"""

from __future__ import annotations

from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import Interruptions, VersionStage
from recommender_operator.phases.stages import steps
from recommender_operator.phases.turn import Turn


def begin(turn: Turn, name: str) -> Interruptions:
    """Return the count that a rollout starts with: restarts before it got requests are over."""
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
    """Count that requests are taken away; return False if the version was rolled back."""
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
        f"{known.restarts} restarts of its containers{last}; its requests were taken away "
        f"{known.withdrawals} times because it was not ready"
    )
    steps.close(turn, name, steps.verdict_of(turn.versions[name].status))
    turn.retreat()
    turn.end(name, VersionStage.ROLLED_BACK, Reason.CANDIDATE_UNSTABLE, message)
    return False
