"""What a version remembers of the requests to its model."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from recommender_contract.resource.base import ApiModel
from recommender_operator.api.status import HandledAction, RetrainStatus

#: Maximum number of handled requests that are kept, including the newest of each action.
MAX_HANDLED = 20


class KeptRequests(ApiModel):
    handled: tuple[HandledAction, ...] = Field(
        default=(),
        max_length=MAX_HANDLED,
        description="Annotation requests to the model and their results, as in its status.",
    )
    retrain: RetrainStatus | None = Field(
        default=None, description="Retraining of the model, as in its status."
    )


def newest_requests(known: Iterable[HandledAction]) -> tuple[HandledAction, ...]:
    """Return as many requests as are kept: the last ones, and the newest of each action."""
    found = list(known)
    newest = {each.action: each for each in found}
    while len(found) > MAX_HANDLED:
        found.remove(next(each for each in found if newest[each.action] is not each))
    return tuple(found)
