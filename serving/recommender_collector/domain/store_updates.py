"""Updates of the online store by an event: pure."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

from recommender_collector.domain.events import Event, Id
from recommender_contract.events import Kind
from recommender_contract.ids import hashed
from recommender_contract.online_store import Set, member

_SETS = {
    Kind.IMPRESSION: (Set.SEEN,),
    Kind.VISIT: (Set.SEEN,),
    Kind.CLICK: (Set.SEEN,),
    Kind.DWELL: (Set.SEEN,),
    Kind.BASKET: (Set.SEEN,),
    Kind.PURCHASE: (Set.SEEN, Set.BOUGHT),
    Kind.DISLIKE: (Set.SEEN, Set.DISLIKED),
    Kind.SEARCH: (),
}


class StoreUpdate(NamedTuple):
    """A member to add to a set of a user; `time` is in milliseconds since 1970."""

    user: int
    set: Set
    member: str
    time: int


#: Of ids of items, which come again and again. At most 16 MB, with the longest ids.
_item_hash = functools.lru_cache(maxsize=32_768)(hashed)


def _item(id_: Id) -> int:
    return _item_hash(id_) if isinstance(id_, str) else id_


def number(id_: Id) -> int:
    """Return the number that stands for an id in the store and in the models."""
    return hashed(id_) if isinstance(id_, str) else id_


def store_updates(event: Event, acts: dict[Kind, float | None]) -> Iterator[StoreUpdate]:
    """Yield the effects of an event. Applied again, in any order, they change nothing.

    `acts` has the kinds of which sessions consist, with their value or None for the event's own.
    Without a value an event is no interaction, as in the files.
    """
    user = number(event.user)
    sets = _SETS[event.kind]
    for item in map(_item, event.items):
        for name in sets:
            yield StoreUpdate(user, name, str(item), event.time)
        if event.kind in acts:
            value = acts[event.kind]
            value = event.value if value is None else value
            if value is not None:
                entry = member(item, value, event.kind, event.time)
                yield StoreUpdate(user, Set.RECENT, entry, event.time)
