"""A candidate whose pods go away in mid-rollout (eviction, node pressure, a crash)."""

from __future__ import annotations

import datetime

from recommender_operator.actions import EnsureService
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import VersionStage
from recommender_operator.observed import VersionObject
from recommender_operator.phases.stages import stability, steps
from recommender_operator.phases.turn import Turn

#: While a pod answers, Kubernetes may call its service unready for so long: the conditions of an
#: InferenceService lag behind its pods. Without a pod each request fails: they go back at once.
GRACE = datetime.timedelta(seconds=30)
_POLL = datetime.timedelta(seconds=5)


def holds(turn: Turn, version: VersionObject) -> bool:
    """Return whether the rollout may go on; if not, see to the requests and the service."""
    if not stability.holds(turn, version.name):
        return False
    if turn.is_ready(version.name):
        turn.change(version.name, unready_since=None)
        return True
    turn.look_again(_POLL)
    service = turn.service(version.name)
    if service is None:
        turn.do(EnsureService(version=version.name))
    since = version.status.unready_since or turn.time
    turn.change(version.name, unready_since=since)
    gone = turn.time - since
    limit = datetime.timedelta(seconds=turn.spec.serving.ready_deadline_seconds)
    if turn.champion is None:
        # Nobody else could answer.
        return False
    if turn.due(since, limit, _POLL):
        state = f"{service.reason} {service.message}".strip() if service else "it does not exist"
        message = f"its service was not ready for {gone.total_seconds():.0f} s: {state}"
        turn.end(version.name, VersionStage.ROLLED_BACK, Reason.CANDIDATE_UNAVAILABLE, message)
        return False
    answers = service is not None and service.ready_pods > 0
    if not turn.due(since, GRACE, _POLL) and (answers or not turn.is_ready(turn.champion.name)):
        return version.status.weight > 0
    if version.status.weight > 0 and stability.withdraw(turn, version.name):
        steps.close(turn, version.name, "Inconclusive")
        turn.change(version.name, weight=0)
        turn.retreat()
        turn.warn(
            Reason.CANDIDATE_UNAVAILABLE,
            f"{version.name} is not ready for {gone.total_seconds():.0f} s: requests go back to "
            f"{turn.champion.name} until it is",
            version=version.name,
        )
    return False
