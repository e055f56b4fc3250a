"""Answers of the model that are reused for a few seconds, and calls that are shared.

One process serves one version, so an answer never crosses versions. The key is everything that an
answer depends on, except its time: the user with the session and the past as completed from the
store, the features, the selection and the length. New events of a user are another key. Times may
differ by as much as an answer may be old, if they leave the same events before them.
An answer is kept as the chain gave it: the draw of the last place comes after the cache.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import sys
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator
from typing import Protocol

from recommender_contract.events import Source
from recommender_serving.domain.selection import Rules
from recommender_serving.domain.types import Answer, Found, RecommendRequest, SessionEvent

#: Bytes of an entry: of its own, and of an event, an item with its score, one of a pool, a known
#: item, and of a text or a feature beside its own size.
ENTRY, EVENT, SCORED, POOLED, KNOWN, TEXT = 1_500, 150, 80, 130, 140, 40


class Answers(Protocol):
    """Anything that answers a request."""

    async def answer(self, request: RecommendRequest, deadline: float | None = None) -> Answer:
        """Answer, by the time `deadline` of the event loop."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The age of an answer in seconds, and how many are kept."""

    seconds: float
    entries: int
    bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    answer: Answer
    timestamp: int  # of its request
    expires: float
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Flight:
    """A call that others may wait for; its result is None if it has none."""

    result: asyncio.Future[Answer | None]
    timestamp: int
    deadline: float | None


class Cache:
    """Answers from memory, else as `inner` does, with one call for equal requests at a time.

    Only answers of the model are kept. Those of the fallbacks are given to whoever waited for the
    same call, but to nobody after it.
    """

    def __init__(
        self,
        inner: Answers,
        bounds: Bounds,
        found: Callable[[Found], None],
        sized: Callable[[int, int, int], None],
        clock: Callable[[], float],
    ) -> None:
        """`found` gets the outcome of each look, `sized` the entries, bytes and evictions."""
        self._inner = inner
        self._bounds = bounds
        self._found = found
        self._sized = sized
        self._clock = clock
        self._entries: collections.OrderedDict[Hashable, _Entry] = collections.OrderedDict()
        self._flights: dict[Hashable, _Flight] = {}
        self._bytes = 0

    async def answer(
        self, request: RecommendRequest, deadline: float | None = None
    ) -> tuple[Answer, Found]:
        """Answer, and say whether the model was asked for it."""
        key = key_of(request)
        while True:
            answer = self._fresh(key, request.timestamp)
            if answer is not None:
                return self._told(answer, Found.HIT)
            flight = self._flights.get(key)
            if flight is None:
                return self._told(await self._lead(key, request, deadline), Found.MISS)
            if not self._may_join(flight, request.timestamp, deadline):
                return self._told(await self._inner.answer(request, deadline), Found.MISS)
            answer = await asyncio.shield(flight.result)
            # A call with less time may have fallen back where this one need not: then one of
            # those that waited asks for the others.
            if answer is not None and (not answer.cut_short or flight.deadline == deadline):
                return self._told(answer, Found.JOINED)

    def clear(self) -> None:
        """Forget all answers."""
        self._entries.clear()
        self._bytes = 0

    def _told(self, answer: Answer, found: Found) -> tuple[Answer, Found]:
        self._found(found)
        return answer, found

    def _fresh(self, key: Hashable, timestamp: int) -> Answer | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires <= self._clock():
            self._drop(key)
            return None
        if not self._is_near(entry.timestamp, timestamp):
            return None
        self._entries.move_to_end(key)
        return entry.answer

    def _is_near(self, one: int, other: int) -> bool:
        return abs(one - other) <= self._bounds.seconds

    def _may_join(self, flight: _Flight, timestamp: int, deadline: float | None) -> bool:
        """Return whether a call ends in time for another request, and is about its time."""
        in_time = deadline is None or (flight.deadline is not None and flight.deadline <= deadline)
        return in_time and self._is_near(flight.timestamp, timestamp)

    async def _lead(
        self, key: Hashable, request: RecommendRequest, deadline: float | None
    ) -> Answer:
        result: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._flights[key] = _Flight(result, request.timestamp, deadline)
        try:
            answer = await self._inner.answer(request, deadline)
        except BaseException:  # the client cancelled, or a bug: others ask for themselves
            result.set_result(None)
            raise
        finally:
            del self._flights[key]
        result.set_result(answer)
        if answer.source is Source.MODEL:
            self._keep(key, request, answer)
        return answer

    def _keep(self, key: Hashable, request: RecommendRequest, answer: Answer) -> None:
        """Keep an answer, and drop those that were used least recently."""
        size = size_of(request, answer)
        if size > self._bounds.bytes:
            return
        if key in self._entries:
            self._drop(key)
        expires = self._clock() + self._bounds.seconds
        self._entries[key] = _Entry(answer, request.timestamp, expires, size)
        self._bytes += size
        evicted = 0
        while len(self._entries) > self._bounds.entries or self._bytes > self._bounds.bytes:
            self._drop(next(iter(self._entries)))
            evicted += 1
        self._sized(len(self._entries), self._bytes, evicted)

    def _drop(self, key: Hashable) -> None:
        self._bytes -= self._entries.pop(key).size


def key_of(request: RecommendRequest) -> Hashable:
    """Return all that an answer depends on, without the time and the id of the session."""
    wishes = request.selection
    return (
        request.user_id,
        request.top_n,
        _session_key(request),
        tuple(sorted(request.features.items())),
        request.past,
        (wishes.seeds, wishes.candidates, wishes.excluded),
        (_frozen(wishes.allow), _frozen(wishes.deny)),
    )


def _session_key(request: RecommendRequest) -> Hashable:
    """Return the session, and what of it depends on the time of the request.

    The models read the events before that time only. Events without times of their own are as
    old in the next second, although their times are others.
    """
    count, now = len(request.session) - request.derived, request.timestamp
    dated = request.session[:count]
    earlier = bisect_left(dated, now, key=lambda event: event.timestamp)
    derived = tuple(
        SessionEvent(event.item, event.timestamp - now, event.value)
        for event in request.session[count:]
    )
    return dated, earlier, derived


def _frozen(rules: Rules) -> Hashable:
    return tuple(sorted((name, tuple(sorted(values))) for name, values in rules.items()))


def size_of(request: RecommendRequest, answer: Answer) -> int:
    """Return about how many bytes an entry takes; a test compares it with the process."""
    wishes = request.selection
    known = len(request.past.known) + len(request.past.unwanted) + len(wishes.excluded)
    return (
        ENTRY
        + EVENT * len(request.session)
        + SCORED * len(answer.items)
        + POOLED * len(answer.pool)
        + KNOWN * (known + len(wishes.seeds) + len(wishes.candidates))
        + sum(TEXT + sys.getsizeof(text) for text in _texts(request))
    )


def _texts(request: RecommendRequest) -> Iterator[object]:
    """Yield the names and values of rules and features, whose sizes differ most."""
    for name, value in request.features.items():
        yield name
        yield from value if isinstance(value, tuple) else (value,)
    for rules in (request.selection.allow, request.selection.deny):
        for name, values in rules.items():
            yield name
            yield from values
