"""Readiness of a candidate during its rollout (eviction, node pressure, a crash)."""

from __future__ import annotations

import datetime

from recommender_operator.actions import EnsureService
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.context.reconcile_context import Turn
from recommender_operator.observed import VersionObject
from recommender_operator.rollout import account_refusals, interruptions, steps

#: Time that an InferenceService may be unready while a pod is ready, because its conditions lag.
#: Without a ready pod, traffic is withdrawn at once.
GRACE = datetime.timedelta(seconds=30)
_POLL = datetime.timedelta(seconds=5)


def holds(turn: Turn, version: VersionObject) -> bool:
    """Return whether the rollout may continue; if not, withdraw traffic or restore the service."""
    if not interruptions.holds(turn, version.name):
        return False
    if turn.is_ready(version.name):
        turn.change(version.name, unready_since=None)
        return True
    turn.requeue(_POLL)
    service = turn.service(version.name)
    if service is None:
        turn.do(EnsureService(version=version.name))
    since = version.status.unready_since or turn.time
    refused = service is None and bool(turn.accounts.serving)
    if refused and version.status.weight == 0:
        since = account_refusals.restarted(turn, since)
    turn.change(version.name, unready_since=since)
    gone = turn.time - since
    limit = datetime.timedelta(seconds=turn.spec.serving.ready_deadline_seconds)
    if turn.champion is None:
        # No other version could answer.
        return False
    if not refused and turn.due(since, limit, _POLL):
        state = f"{service.reason} {service.message}".strip() if service else "it does not exist"
        message = f"its service was not ready for {gone.total_seconds():.0f} s: {state}"
        turn.end(version.name, VersionStage.ROLLED_BACK, Reason.CANDIDATE_UNAVAILABLE, message)
        return False
    answers = service is not None and service.ready_pods > 0
    if not turn.due(since, GRACE, _POLL) and (answers or not turn.is_ready(turn.champion.name)):
        return version.status.weight > 0
    if version.status.weight > 0 and interruptions.withdraw(turn, version.name):
        steps.close(turn, version.name, "Inconclusive")
        turn.change(version.name, weight=0)
        turn.route_first()
        turn.warn(
            Reason.CANDIDATE_UNAVAILABLE,
            f"{version.name} has not been ready for {gone.total_seconds():.0f} s: "
            f"{turn.champion.name} receives all requests until it is",
            version=version.name,
        )
    return False
