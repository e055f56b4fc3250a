"""Does the operator make progress? A backlog, or an API server that is away, is no standstill.

A restart heals a standstill and nothing else: it makes an overload worse, and it cannot bring an
API server back. So these count as progress: a look that ended, however it ended, and a try to
renew the lease that ended. The event loop itself is checked by the answer to the probe.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Generic

from recommender_operator.schedule import K, Schedule

#: Longest time between two reads that counts as one during which the watch was silent, in seconds.
#: An API server that was away is so no fault of the watch, which connects again by itself.
GAP = 60.0


class StaleError(Exception):
    """The operator does not do its work any more; the text says which part."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """In seconds."""

    #: Keys are due, and no look has ended.
    stalled: float = 180.0
    #: One look, which has a time limit of its own.
    working: float = 120.0
    #: A change that direct reads have seen and the watch has not brought.
    watch: float = 180.0


@dataclasses.dataclass(slots=True)
class _Lag:
    """A generation that reads have seen and the watch has not brought; times in seconds."""

    generation: int
    read_at: float
    lasted: float = 0.0


class Health(Generic[K]):
    """Judges the queue by the looks that end, and the watch by what direct reads see.

    Kopf ends a silent watch by itself. This catches a watch that is not silent and still misses a
    model, which a restart of the process heals.
    """

    def __init__(
        self,
        schedule: Schedule[K],
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._schedule = schedule
        self._limits = limits or Limits()
        self._clock = clock
        self._watched: dict[K, int] = {}
        self._behind: dict[K, _Lag] = {}

    def watched(self, key: K, generation: int) -> None:
        """The watch brought a model at a generation."""
        self._watched[key] = max(generation, self._watched.get(key, 0))
        lag = self._behind.get(key)
        if lag is not None and self._watched[key] >= lag.generation:
            del self._behind[key]

    def read(self, key: K, generation: int) -> None:
        """A direct read found a model at a generation."""
        now = self._clock()
        lag = self._behind.get(key)
        if self._watched.get(key, 0) >= generation:
            self._behind.pop(key, None)
        elif lag is None:
            self._behind[key] = _Lag(generation, now)
        else:
            lag.lasted += min(GAP, now - lag.read_at)
            lag.read_at = now

    def gone(self, key: K) -> None:
        """A model is no more, or no more this operator's."""
        self._watched.pop(key, None)
        self._behind.pop(key, None)

    def check(self) -> dict[str, float]:
        """Return the figures of the probe, in seconds.

        Raises:
            StaleError: a part stands still.
        """
        now = self._clock()
        stalled = self._schedule.stalled(now)
        working = self._schedule.longest_work(now)
        watch = max((lag.lasted for lag in self._behind.values()), default=0.0)
        for what, value, limit in (
            ("models are due and no look has ended", stalled, self._limits.stalled),
            ("one look runs", working, self._limits.working),
            ("the watch has missed a change", watch, self._limits.watch),
        ):
            if value > limit:
                raise StaleError(f"{what} for {value:.0f} s, the limit is {limit:.0f} s")
        return {
            "stalled": round(stalled, 3),
            "working": round(working, 3),
            "watch": round(watch, 3),
            "waiting": round(self._schedule.overdue(now), 3),
        }
