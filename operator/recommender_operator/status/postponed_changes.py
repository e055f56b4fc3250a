"""Changes of a model's status that a later pass may write.

Most status changes in a rollout repeat the progress of a version, which is in the version's own
status too. In a series of passes, only the last one needs to write them.
"""

from __future__ import annotations

import datetime

from recommender_operator.api.conditions import ConditionType
from recommender_operator.api.status import Condition, ModelClock, RecommenderModelStatus

#: Maximum age of changes that are not written yet. A busy operator looks at each of many models
#: less than once per half minute, so a shorter time would cost a write per pass.
LONGEST = datetime.timedelta(seconds=120)
#: Minimum pace of model time at which its clock may wait for the next pass.
SLOW_CLOCK = datetime.timedelta(seconds=30)
#: Fields that `decide` computes from the versions, and never reads from the model's status.
REPEATED = (
    "observed_generation",
    "stage",
    "candidate",
    "candidate_weight",
    "champion_weight",
    "fresh_champion",
    "fresh_champion_weight",
    "verdict",
    "url",
    "sequence",
)
#: Conditions about the progress of a version.
PROGRESS_CONDITIONS = frozenset(
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
    """Return whether the next pass, which follows at once, may write the status instead.

    Fields that only the model's status stores (requests, locks, drift, snapshots, model time) must
    be written at once, and so must changes of conditions that people or tools act on.
    """
    ignored = dict.fromkeys(("conditions", "clock", *REPEATED))
    if before.route_pending_since is None:
        # Most routes are applied before the next pass.
        ignored["route_pending_since"] = None
    if before.model_copy(update=ignored) != after.model_copy(update=ignored):
        return False
    return _keeps_time(before.clock, after.clock, now) and not _changed(
        before.conditions, after.conditions
    )


def _keeps_time(
    stored: ModelClock | None, wanted: ModelClock | None, now: datetime.datetime
) -> bool:
    """Return whether the stored clock stays precise enough until the next write."""
    if stored is None or wanted is None:
        return stored is wanted
    pace = datetime.timedelta(seconds=min(stored.pace_seconds, wanted.pace_seconds))
    return datetime.timedelta() <= now - stored.observed_at < pace and pace >= SLOW_CLOCK


def _changed(before: tuple[Condition, ...], after: tuple[Condition, ...]) -> bool:
    """Return whether a condition has another status or is missing."""
    statuses = {condition.type: condition.status for condition in after}
    return any(
        statuses.get(condition.type) != condition.status
        for condition in before
        if condition.type not in PROGRESS_CONDITIONS
    )
