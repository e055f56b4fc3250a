"""Liveness: whether the operator makes progress. A backlog or an API outage is not a stall.

A restart only helps against a stall: it makes an overload worse, and does not end an outage of the
API server. So every pass that ends, with any result, and every try to renew the lease count as
progress. The response to the probe shows that the event loop runs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Generic

from recommender_operator.controller.schedule import K, Schedule

#: Maximum time between two reads that counts as missed by the watch, in seconds. So an outage of
#: the API server does not count, after which the watch connects again.
GAP = 60.0


class StaleError(Exception):
    """A part of the operator makes no progress; the message names it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits in seconds."""

    #: Maximum time without the end of a pass while keys are due.
    stalled: float = 180.0
    #: Maximum duration of a pass, which has its own time limit.
    working: float = 120.0
    #: Maximum delay of the watch behind direct reads.
    watch: float = 180.0


@dataclasses.dataclass(slots=True)
class _Lag:
    """A generation that was read, but not reported by the watch; times in seconds."""

    generation: int
    read_at: float
    lasted: float = 0.0


class Health(Generic[K]):
    """Checks the queue by the passes that end, and the watch by direct reads.

    Kopf ends a silent watch itself. This detects a watch that is not silent but misses an object,
    which a restart of the process repairs.
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
        """Record a generation of an object that the watch reported."""
        self._watched[key] = max(generation, self._watched.get(key, 0))
        lag = self._behind.get(key)
        if lag is not None and self._watched[key] >= lag.generation:
            del self._behind[key]

    def read(self, key: K, generation: int) -> None:
        """Record a generation of an object from a direct read."""
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
        """Forget an object that is deleted, or belongs to another instance."""
        self._watched.pop(key, None)
        self._behind.pop(key, None)

    def check(self) -> dict[str, float]:
        """Return the figures of the probe, in seconds.

        Raises:
            StaleError: a part makes no progress.
        """
        now = self._clock()
        stalled = self._schedule.stalled(now)
        working = self._schedule.longest_work(now)
        watch = max((lag.lasted for lag in self._behind.values()), default=0.0)
        for what, value, limit in (
            ("models are due and no reconcile has ended", stalled, self._limits.stalled),
            ("one reconcile runs", working, self._limits.working),
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
