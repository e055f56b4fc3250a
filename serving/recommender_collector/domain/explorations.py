"""The place of an impression that was drawn by chance, as a request gives it: pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.events import Explored, Id, part_of_impression
from recommender_contract.events import Kind

FIELD = "explored"
MIN_POOL, MAX_POOL = 2, 20  # items


def explored_of(
    value: object, kind: Kind, items: Sequence[Id], id_of: Callable[[str, object], Id]
) -> Explored | None:
    """Return the exploration of an impression; None if it did not explore.

    `id_of` returns the valid id of an item, of the named field.

    Raises:
        InvalidEvent: a part is wrong or missing, or the event is no impression.
    """
    part = part_of_impression(FIELD, value, kind, Explored._fields)
    if part is None:
        return None
    place, given = part["place"], part["pool"]
    if type(place) is not int or not 0 <= place < len(items):
        raise InvalidEvent(
            f"{FIELD}.place", place, f"give the place of one of the {len(items)} items, from 0"
        )
    if not isinstance(given, list) or not MIN_POOL <= len(given) <= MAX_POOL:
        raise InvalidEvent(
            f"{FIELD}.pool", given, f"give a list of {MIN_POOL} to {MAX_POOL} item ids"
        )
    pool = tuple(id_of(f"{FIELD}.pool[{index}]", each) for index, each in enumerate(given))
    others = {*items[:place], *items[place + 1 :]}
    if len(set(pool)) < len(pool) or items[place] not in pool or not others.isdisjoint(pool):
        raise InvalidEvent(
            f"{FIELD}.pool",
            given,
            "give different items, among them the one at the place, and none of another place",
        )
    return Explored(place, pool)
