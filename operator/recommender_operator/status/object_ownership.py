"""The condition ObjectsOwned: foreign objects whose names the operator needs."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from recommender_operator.actions import Decision, Event
from recommender_operator.api.conditions import ConditionType, Reason, find, put
from recommender_operator.api.spec import ConditionStatus
from recommender_operator.observed import ModelObject
from recommender_operator.resources.ownership import Foreign

#: Maximum number of objects in the message; it has only the number of the others.
MAX_NAMED = 3
#: Maximum length of an Event's message in Kubernetes, in characters.
MAX_EVENT = 1024


def set_condition(
    decision: Decision, model: ModelObject, found: Iterable[Foreign], now: datetime.datetime
) -> Decision:
    """Return the decision with the condition ObjectsOwned, and a warning when it changes."""
    others = sorted(set(found))
    kind = ConditionType.OBJECTS_OWNED
    old = find(model.status.conditions, kind)
    status: ConditionStatus = "False" if others else "True"
    reason = Reason.FOREIGN_OBJECT if others else Reason.OWNED
    message = _words(others) or "no foreign object has a name that the operator needs"
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
    new_status = decision.status.model_copy(update={"conditions": conditions})
    return dataclasses.replace(decision, status=new_status, events=events)


def _words(others: list[Foreign]) -> str:
    more = len(others) - MAX_NAMED
    named = "; ".join(other.message for other in others[:MAX_NAMED])
    return f"{named}; and {more} more" if more > 0 else named
