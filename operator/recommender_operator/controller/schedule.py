"""The schedule of the work queue: due times of keys, with fairness between groups of keys.

The group (a namespace) that was served longest ago comes first, and within a group the key that
has been due the longest. No group may use all workers: running work cannot be preempted, so some
workers stay free for other groups. Every operation is O(log n) in the number of keys.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import random
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

#: First and maximum pause after an error, in seconds; it doubles with each error.
BACKOFF_BASE = 1.0
BACKOFF_LIMIT = 300.0
#: Random change of a pause after an error, as a share, to spread failing keys.
JITTER = 0.2
#: Random change of pauses between passes, as a share, and the minimum pause with it, in seconds.
SPREAD, SPREAD_FROM = 0.1, 5.0
#: Workers that a group may use per free worker. With 4, a single group uses 8 of 10, two use 5 and
#: 4 (the dynamic thresholds of Choudhury and Hahne, for workers instead of memory).
GREED = 4
#: Minimum number of outdated entries in a heap before they are removed.
SLACK = 64


def spread(seconds: float, chance: float) -> float:
    """Return a pause in seconds; a long one changes randomly by up to a tenth.

    This spreads the passes of objects that were created, or found by a new process, at one time.
    """
    return seconds if seconds < SPREAD_FROM else seconds * (1 + SPREAD * (2 * chance - 1))


def one_group(_key: object) -> Hashable:
    """Put all keys into the same group."""
    return None


@dataclasses.dataclass(slots=True)
class _Group(Generic[K]):
    """The keys of one group; times are in seconds."""

    name: Hashable
    #: (time, order of arrival, key); outdated entries remain if a key moves to an earlier time.
    heap: list[tuple[float, int, K]] = dataclasses.field(default_factory=list)
    #: Number of waiting keys, and of keys in work.
    waiting: int = 0
    held: int = 0
    #: When it was last served, as a count of all takes.
    served: int = 0
    #: Whether its first key is due.
    ready: bool = False


class Schedule(Generic[K]):
    """The due times of keys, in seconds of one monotonic clock."""

    def __init__(
        self,
        limit: int,
        jitter: Callable[[], float] = random.random,
        *,
        group: Callable[[K], Hashable] = one_group,
        workers: int | None = None,
    ) -> None:
        """`limit` is the maximum number of keys; `jitter` returns numbers in 0..1.

        `workers` is the number of workers, which limits each group; None sets no limit.
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
        """Schedule a key at a time; return False if the schedule is full."""
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
        """Return the next key and its due time; None if no key is due."""
        self._advance(now)
        passed_over = []
        taken = None
        while self._ready and taken is None:
            entry = heapq.heappop(self._ready)
            if self._may_take(entry[2]):
                taken = self._take(entry[2], now)
            else:
                passed_over.append(entry)
        # Each of them uses a worker, so their number is limited.
        for entry in passed_over:
            heapq.heappush(self._ready, entry)
        return taken

    def done(self, key: K, now: float, *, again_after: float | None = None) -> None:
        """End successful work on a key, which is due again after a number of seconds."""
        self._failures.pop(key, None)
        self._release(key, now, None if again_after is None else now + again_after)

    def failed(self, key: K, now: float) -> float:
        """End failed work on a key; return the pause before the retry, in seconds."""
        count = self._failures.get(key, 0) + 1
        self._failures[key] = count
        pause = min(BACKOFF_LIMIT, BACKOFF_BASE * 2.0 ** min(count - 1, 30))
        pause *= 1 - JITTER + 2 * JITTER * self._jitter()
        # An event in the meantime does not shorten the backoff.
        if key in self._again:
            self._again[key] = now + pause
        self._release(key, now, now + pause)
        return pause

    def next_due(self) -> float | None:
        """Return when the next key is due; None if there is none."""
        heads = (group.heap[0][0] for group in self._groups.values() if group.heap)
        return min(heads, default=None)

    def next_change(self) -> float | None:
        """Return when `take` may find a key without other changes; None if never."""
        return self._times[0][0] if self._times else None

    def overdue(self, now: float) -> float:
        """Return for how many seconds the oldest due key has been due."""
        at = self.next_due()
        return max(0.0, now - at) if at is not None else 0.0

    def stalled(self, now: float) -> float:
        """Return for how many seconds keys have been due while no work ended."""
        overdue = self.overdue(now)
        return overdue if self._ended is None else min(overdue, max(0.0, now - self._ended))

    def longest_work(self, now: float) -> float:
        """Return the longest duration of current work, in seconds."""
        return max((now - start for start in self._working.values()), default=0.0)

    def depth(self, now: float) -> int:
        """Return the number of due keys."""
        return sum(1 for at in self._due.values() if at <= now)

    @property
    def working(self) -> int:
        """Number of keys in work."""
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
        """Remove outdated entries from the front of a group."""
        while group.heap and not self._is_current(group.heap[0]):
            heapq.heappop(group.heap)

    def _announce(self, group: _Group[K]) -> None:
        """Schedule when a group becomes ready; outdated entries are harmless."""
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
