"""Events of users, for the collector: pure but for the id and time that an event is made with.

Make an event when it happens, and send that same object again after a failure: its id and its time
stay, so that the collector counts it once.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from recommender_client.values import Id, Value
from recommender_contract.events import MAX_BODY, MAX_EVENTS, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEvent:
    """One event; the functions of this module make those of each kind."""

    kind: Kind
    user: Id
    items: tuple[Id, ...] = ()  # of an impression; at most one of the other kinds
    value: float | None = None  # money of a purchase, seconds of a dwell, else a rating
    query: str | None = None  # words of a search
    request: str | None = None  # id of the request whose answer was shown
    session: str | None = None
    context: Mapping[str, Value] = field(default_factory=dict)  # declared features
    model: str | None = None  # may be absent if the collector has one model
    version: str | None = None  # that answered the request, and what of it: model, baseline,
    path: str | None = None  # or popularity
    #: With `hashUsers`: the user is a hash already, as requests have it.
    hashed: bool | None = None
    time: float = field(default_factory=time.time)  # seconds since 1970
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        for name, number in (("value", self.value), ("time", self.time)):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{name}: got {number}; give a finite number")

    def body(self) -> dict[str, Any]:
        """Return the event as the collector reads it, without what is absent."""
        given = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        given["context"] = dict(self.context) or None
        if self.kind is Kind.IMPRESSION:
            given["items"] = list(self.items)
        else:
            del given["items"]
            given["item"] = self.items[0] if self.items else None
        return {name: value for name, value in given.items() if value is not None}


class About(TypedDict, total=False):
    """Fields of every kind of event."""

    request: str | None
    session: str | None
    context: Mapping[str, Value]
    model: str | None
    version: str | None
    path: str | None
    hashed: bool | None
    time: float
    id: str


def impression(user: Id, items: Sequence[Id], **about: Unpack[About]) -> UserEvent:
    """Items were shown to a user."""
    return UserEvent(kind=Kind.IMPRESSION, user=user, items=tuple(items), **about)


def visit(user: Id, item: Id | None = None, **about: Unpack[About]) -> UserEvent:
    """A user opened a page, of an item or of none."""
    return UserEvent(kind=Kind.VISIT, user=user, items=() if item is None else (item,), **about)


def search(user: Id, query: str, **about: Unpack[About]) -> UserEvent:
    """A user searched for these words."""
    return UserEvent(kind=Kind.SEARCH, user=user, query=query, **about)


def click(user: Id, item: Id, *, rating: float | None = None, **about: Unpack[About]) -> UserEvent:
    """A user clicked on an item, and may have rated it."""
    return UserEvent(kind=Kind.CLICK, user=user, items=(item,), value=rating, **about)


def basket(user: Id, item: Id, **about: Unpack[About]) -> UserEvent:
    """A user put an item into the basket."""
    return UserEvent(kind=Kind.BASKET, user=user, items=(item,), **about)


def purchase(user: Id, item: Id, money: float, **about: Unpack[About]) -> UserEvent:
    """A user bought an item for this much money."""
    return UserEvent(kind=Kind.PURCHASE, user=user, items=(item,), value=money, **about)


def dwell(user: Id, item: Id, seconds: float, **about: Unpack[About]) -> UserEvent:
    """A user stayed with an item for so long."""
    return UserEvent(kind=Kind.DWELL, user=user, items=(item,), value=seconds, **about)


def dislike(user: Id, item: Id, **about: Unpack[About]) -> UserEvent:
    """A user does not want to see an item."""
    return UserEvent(kind=Kind.DISLIKE, user=user, items=(item,), **about)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one request, and its body."""

    events: tuple[UserEvent, ...]
    body: bytes


def batches(
    events: Sequence[UserEvent], most_events: int = MAX_EVENTS, most_bytes: int = MAX_BODY
) -> Iterator[Batch]:
    """Yield the events in requests that the collector takes, in order.

    An event that is too large for a request is one of its own, which the collector refuses.
    """
    taken: list[UserEvent] = []
    texts: list[bytes] = []
    size = 2  # the brackets
    for event in events:
        text = json.dumps(event.body(), separators=(",", ":"), allow_nan=False).encode()
        if taken and (len(taken) == most_events or size + len(text) > most_bytes):
            yield _batch(taken, texts)
            taken, texts, size = [], [], 2
        taken.append(event)
        texts.append(text)
        size += len(text) + 1
    if taken:
        yield _batch(taken, texts)


def _batch(events: Sequence[UserEvent], texts: Sequence[bytes]) -> Batch:
    return Batch(tuple(events), b"[" + b",".join(texts) + b"]")
