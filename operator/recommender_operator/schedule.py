"""Which key is due when, fair to each group of keys: the pure part of the work queue.

The group (a namespace) that was served longest ago comes first, and in a group the key that has
been due for longest. No group may hold all workers: work that has started cannot be taken back,
so some workers stay free for the others. Every operation takes O(log n) in the number of keys.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import random
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

#: First and longest pause after an error, in seconds; it doubles in between.
BACKOFF_BASE = 1.0
BACKOFF_LIMIT = 300.0
#: Share by which a pause is shortened or lengthened, so that failing keys spread out.
JITTER = 0.2
#: Share by which pauses between looks differ, and the shortest pause that does, in seconds.
SPREAD, SPREAD_FROM = 0.1, 5.0
#: Workers that a group may hold for each one that stays free. With 4 a group alone holds 8 of 10,
#: two hold 5 and 4 (the dynamic thresholds of Choudhury and Hahne, for workers instead of memory).
GREED = 4
#: Outdated entries of a heap that are kept before they are swept, at least.
SLACK = 64


def spread(seconds: float, chance: float) -> float:
    """Return a pause, a tenth longer or shorter by chance if it is a long one, in seconds.

    Models that were made, or found by a new process, in one moment are not looked at in one.
    """
    return seconds if seconds < SPREAD_FROM else seconds * (1 + SPREAD * (2 * chance - 1))


def one_group(_key: object) -> Hashable:
    """Put all keys into the same group."""
    return None


@dataclasses.dataclass(slots=True)
class _Group(Generic[K]):
    """The keys of one group; times are in seconds."""

    name: Hashable
    #: (time, order of arrival, key); entries whose key has moved to an earlier time stay behind.
    heap: list[tuple[float, int, K]] = dataclasses.field(default_factory=list)
    #: Keys that wait, and keys that are worked on.
    waiting: int = 0
    held: int = 0
    #: When it was served last, as a count of all takes.
    served: int = 0
    #: Its first key is due.
    ready: bool = False


class Schedule(Generic[K]):
    """All times are seconds of one monotonic clock."""

    def __init__(
        self,
        limit: int,
        jitter: Callable[[], float] = random.random,
        *,
        group: Callable[[K], Hashable] = one_group,
        workers: int | None = None,
    ) -> None:
        """`limit` bounds the keys known; `jitter` gives numbers in 0..1.

        `workers` is how many keys are worked on at most at a time; without it no group is limited.
        """
        self._limit = limit
        self._jitter = jitter
        self._group_of = group
        self._workers = workers
        self._due: dict[K, float] = {}
        self._again: dict[K, float] = {}
        self._working: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._groups: dict[Hashable, _Group[K]] = {}
        #: (time, order, group): when the first key of a group that is not ready becomes due.
        self._times: list[tuple[float, int, _Group[K]]] = []
        #: (last served, order, group) of the groups that are ready.
        self._ready: list[tuple[int, int, _Group[K]]] = []
        self._order = itertools.count()
        self._takes = itertools.count(1)
        self._ended: float | None = None

    def add(self, key: K, at: float) -> bool:
        """Ask for a key at a time; return False if there is no room for a new one."""
        if key in self._working:
            self._again[key] = min(at, self._again.get(key, at))
            return True
        if key in self._due:
            if at < self._due[key]:
                self._put(key, at)
            return True
        if len(self._due) + len(self._working) >= self._limit:
            return False
        self._put(key, at)
        return True

    def take(self, now: float) -> tuple[K, float] | None:
        """Return the key whose turn it is, and since when it is due; None if there is none."""
        self._advance(now)
        passed_over = []
        taken = None
        while self._ready and taken is None:
            entry = heapq.heappop(self._ready)
            if self._may_take(entry[2]):
                taken = self._take(entry[2], now)
            else:
                passed_over.append(entry)
        # Each of them holds a worker, so there are no more than workers.
        for entry in passed_over:
            heapq.heappush(self._ready, entry)
        return taken

    def done(self, key: K, now: float, *, again_after: float | None = None) -> None:
        """End the work on a key that succeeded; look again after so many seconds."""
        self._failures.pop(key, None)
        self._release(key, now, None if again_after is None else now + again_after)

    def failed(self, key: K, now: float) -> float:
        """End the work on a key that failed; return the pause before it is repeated, in s."""
        count = self._failures.get(key, 0) + 1
        self._failures[key] = count
        pause = min(BACKOFF_LIMIT, BACKOFF_BASE * 2.0 ** min(count - 1, 30))
        pause *= 1 - JITTER + 2 * JITTER * self._jitter()
        # An event in the meantime does not cut the pause short: it would undo the backoff.
        if key in self._again:
            self._again[key] = now + pause
        self._release(key, now, now + pause)
        return pause

    def next_due(self) -> float | None:
        """Return when the next key is due; None if none is waiting."""
        heads = (group.heap[0][0] for group in self._groups.values() if group.heap)
        return min(heads, default=None)

    def next_change(self) -> float | None:
        """Return when time alone may let `take` find a key; None if it never does."""
        return self._times[0][0] if self._times else None

    def overdue(self, now: float) -> float:
        """Return for how long the key that has been due for longest waits, in seconds."""
        at = self.next_due()
        return max(0.0, now - at) if at is not None else 0.0

    def stalled(self, now: float) -> float:
        """Return for how long keys have been due while no work ended, in seconds."""
        overdue = self.overdue(now)
        return overdue if self._ended is None else min(overdue, max(0.0, now - self._ended))

    def longest_work(self, now: float) -> float:
        """Return for how long the key worked on for longest is, in seconds."""
        return max((now - start for start in self._working.values()), default=0.0)

    def depth(self, now: float) -> int:
        """Return how many keys are due."""
        return sum(1 for at in self._due.values() if at <= now)

    @property
    def working(self) -> int:
        """How many keys are being worked on."""
        return len(self._working)

    def _may_take(self, group: _Group[K]) -> bool:
        if self._workers is None or group.held == 0:
            return True
        left = self._workers - len(self._working) - 1
        return group.held + 1 <= GREED * left

    def _take(self, group: _Group[K], now: float) -> tuple[K, float]:
        at, _, key = heapq.heappop(group.heap)
        del self._due[key]
        self._working[key] = now
        group.waiting -= 1
        group.held += 1
        group.served = next(self._takes)
        group.ready = False
        self._sweep(group)
        self._announce(group)
        return key, at

    def _release(self, key: K, now: float, at: float | None) -> None:
        self._ended = now
        del self._working[key]
        group = self._groups[self._group_of(key)]
        group.held -= 1
        again = self._again.pop(key, None)
        times = [t for t in (at, again) if t is not None]
        if times:
            self._put(key, min(times))
        elif not group.waiting and not group.held:
            del self._groups[group.name]

    def _put(self, key: K, at: float) -> None:
        name = self._group_of(key)
        group = self._groups.setdefault(name, _Group(name))
        group.waiting += key not in self._due
        self._due[key] = at
        heapq.heappush(group.heap, (at, next(self._order), key))
        if len(group.heap) > 2 * group.waiting + SLACK:
            group.heap = [entry for entry in group.heap if self._is_current(entry)]
            heapq.heapify(group.heap)
        if group.heap[0][2] == key:
            self._announce(group)

    def _is_current(self, entry: tuple[float, int, K]) -> bool:
        return self._due.get(entry[2]) == entry[0]

    def _sweep(self, group: _Group[K]) -> None:
        """Keep the promise that the first entry of a group is current."""
        while group.heap and not self._is_current(group.heap[0]):
            heapq.heappop(group.heap)

    def _announce(self, group: _Group[K]) -> None:
        """Note when a group becomes ready; notes that a later one has outdated are harmless."""
        if not group.heap or group.ready:
            return
        if len(self._times) > 2 * len(self._groups) + SLACK:
            asleep = [each for each in self._groups.values() if each.heap and not each.ready]
            self._times = [(each.heap[0][0], next(self._order), each) for each in asleep]
            heapq.heapify(self._times)
            return
        heapq.heappush(self._times, (group.heap[0][0], next(self._order), group))

    def _advance(self, now: float) -> None:
        while self._times and self._times[0][0] <= now:
            _, _, group = heapq.heappop(self._times)
            if not group.ready and group.heap and group.heap[0][0] <= now:
                group.ready = True
                heapq.heappush(self._ready, (group.served, next(self._order), group))
