"""Predictions for the items of an impression, as a request gives them: pure."""

from __future__ import annotations

from recommender_collector.domain.checks import InvalidEvent, is_probability
from recommender_collector.domain.declaration import Model
from recommender_contract.events import MAX_PROBABILITIES, Kind

FIELD = "probabilities"


def probabilities_of(
    value: object, kind: Kind, items: int, model: Model
) -> tuple[float, ...] | None:
    """Return the probabilities of the first items; None if nothing is compared with them.

    They are checked and dropped if the events do not show the declared label: the log would grow
    for nothing.

    Raises:
        InvalidEvent: a probability is wrong, there are too many, or the event is no impression.
    """
    if value is None:
        return None
    if kind is not Kind.IMPRESSION:
        raise InvalidEvent(
            FIELD, value, f"only an impression has them: leave them out of a {kind}"
        )
    most = min(items, MAX_PROBABILITIES)
    if not isinstance(value, list) or len(value) > most or not all(map(is_probability, value)):
        raise InvalidEvent(FIELD, value, f"give numbers from 0 to 1 for the first {most} items")
    return tuple(map(float, value)) if value and model.outcome is not None else None
