"""Which models a new leader looks at first."""

from __future__ import annotations

import enum

from recommender_operator.adapters.kubernetes.port import Object
from recommender_operator.api.base import GROUP

#: Prefix of the annotations with which people ask for an action.
REQUEST = f"{GROUP}/"


class Urgency(enum.IntEnum):
    """How soon a model needs a look; the lowest number is first."""

    #: Somebody changed or deleted it, or asked for an action, and no operator has responded.
    ASKED = 0
    #: Its candidate may have to lose its share of the requests.
    MOVING = 1
    RESTING = 2


def urgency_of(model: Object) -> Urgency:
    """Return how soon a RecommenderModel needs a look, as read from the API server."""
    metadata, status = model["metadata"], model.get("status") or {}
    generation = int(metadata.get("generation") or 0)
    if metadata.get("deletionTimestamp") or generation != status.get("observedGeneration", 0):
        return Urgency.ASKED
    handled = {(each.get("action"), each.get("token")) for each in status.get("handled") or ()}
    for name, token in (metadata.get("annotations") or {}).items():
        request = (name.removeprefix(REQUEST), token.strip()[:253])
        if name.startswith(REQUEST) and request not in handled:
            return Urgency.ASKED
    return Urgency.MOVING if status.get("candidate") else Urgency.RESTING
