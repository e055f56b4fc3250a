"""The session that the online store has of a user: pure."""

from __future__ import annotations

from collections.abc import Iterable

from recommender_contract import online_store
from recommender_serving.domain.types import SessionEvent


def interaction(text: bytes, milliseconds: float) -> SessionEvent:
    """Return the interaction of a member of `recent` and its score.

    Raises:
        ValueError: the member does not have the layout of the store.
    """
    item, value = online_store.interaction(text)
    return SessionEvent(item, int(milliseconds) // 1000, value)


def history(recent: Iterable[SessionEvent], now: int, length: int) -> tuple[SessionEvent, ...]:
    """Return the newest interactions before the second `now`, oldest first, as in training.

    There they are the last `length` of strictly earlier seconds, however long the pauses are;
    those of one second are in the order of the items.
    """
    earlier = [event for event in recent if event.timestamp < now]
    earlier.sort(key=lambda event: (event.timestamp, event.item, event.value))
    return tuple(earlier[-length:])
