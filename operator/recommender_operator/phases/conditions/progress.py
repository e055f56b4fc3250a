"""Which changes of a model's status may wait for the next look.

Most writes of a status in a rollout repeat how far a version has come, which the version's own
status says as well. While one look follows another, the last of them says it for all.
"""

from __future__ import annotations

import datetime

from recommender_operator.api.conditions import ConditionType
from recommender_operator.api.status import Condition, ModelClock, RecommenderModelStatus

#: Longest time that a stored status may be behind.
LONGEST = datetime.timedelta(seconds=30)
#: What `decide` reads from the versions, and never from the model's status alone.
REPEATED = (
    "observed_generation",
    "stage",
    "candidate",
    "candidate_weight",
    "champion_weight",
    "verdict",
    "url",
    "sequence",
)
#: Conditions that say how far the making of a version has come, and say so of the version.
OF_THE_MAKING = frozenset(
    {
        ConditionType.PROGRESSING,
        ConditionType.RECONCILING,
        ConditionType.DATA_VALID,
        ConditionType.TRAINED,
        ConditionType.GATES_PASSED,
    }
)


def may_wait(
    before: RecommenderModelStatus, after: RecommenderModelStatus, now: datetime.datetime
) -> bool:
    """Return whether nothing is lost if a status is written by a look that follows at once.

    What only the model's status remembers (requests, locks, drift, snapshots, a model's time) may
    not wait, nor may a condition that people or tools act upon turn.
    """
    told = dict.fromkeys(("conditions", "clock", *REPEATED))
    if before.route_pending_since is None:
        # A route is mostly taken over before the next look.
        told["route_pending_since"] = None
    if before.model_copy(update=told) != after.model_copy(update=told):
        return False
    return _keeps_time(before.clock, after.clock, now) and not _turned(
        before.conditions, after.conditions
    )


def _keeps_time(
    stored: ModelClock | None, wanted: ModelClock | None, now: datetime.datetime
) -> bool:
    """Return whether the stored clock is exact enough for as long as it may wait."""
    if stored is None or wanted is None:
        return stored is wanted
    pace = datetime.timedelta(seconds=min(stored.pace_seconds, wanted.pace_seconds))
    return datetime.timedelta() <= now - stored.observed_at < pace and pace >= LONGEST


def _turned(before: tuple[Condition, ...], after: tuple[Condition, ...]) -> bool:
    """Return whether a condition that was there has another status, or is gone."""
    statuses = {condition.type: condition.status for condition in after}
    return any(
        statuses.get(condition.type) != condition.status
        for condition in before
        if condition.type not in OF_THE_MAKING
    )
