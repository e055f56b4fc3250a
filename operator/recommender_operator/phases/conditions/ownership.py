"""Say which objects of others stand in the model's way; the rest of its life goes on."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from recommender_operator.actions import Decision, Event
from recommender_operator.api.conditions import ConditionType, Reason, find, put
from recommender_operator.api.spec import ConditionStatus
from recommender_operator.observed import ModelObject
from recommender_operator.resources.ownership import Foreign

#: Objects that the condition names; the others are counted.
MAX_NAMED = 3
#: An Event of Kubernetes takes no more.
MAX_EVENT = 1024


def tell(
    decision: Decision, model: ModelObject, found: Iterable[Foreign], now: datetime.datetime
) -> Decision:
    """Return the decision with the condition ObjectsOwned, and a warning when it changes."""
    others = sorted(set(found))
    kind = ConditionType.OBJECTS_OWNED
    old = find(model.status.conditions, kind)
    status: ConditionStatus = "False" if others else "True"
    reason = Reason.FOREIGN_OBJECT if others else Reason.OWNED
    message = _words(others) or "nothing of others stands in the way"
    conditions = put(
        decision.status.conditions,
        old,
        kind,
        status,
        reason,
        message,
        generation=model.generation,
        now=now,
    )
    events = decision.events
    if others and (old is None or (old.status, old.message) != (status, message)):
        events = (*events, Event(type="Warning", reason=reason, message=message[:MAX_EVENT]))
    told = decision.status.model_copy(update={"conditions": conditions})
    return dataclasses.replace(decision, status=told, events=events)


def _words(others: list[Foreign]) -> str:
    more = len(others) - MAX_NAMED
    named = "; ".join(other.message for other in others[:MAX_NAMED])
    return f"{named}; and {more} more" if more > 0 else named
