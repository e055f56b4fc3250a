"""Is the operator alive? Not if its watches or workers stand still while it answers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Generic

from recommender_operator.schedule import K, Schedule


class StaleError(Exception):
    """The operator does not do its work any more; the text says which part."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """In seconds."""

    #: A due key that no worker has taken.
    waiting: float = 180.0
    #: One reconcile: each request has a time limit, so none takes this long while it moves.
    working: float = 600.0
    #: A change that a direct read has seen and the watch has not brought.
    watch: float = 180.0


class Health(Generic[K]):
    """Compares what the watch brought with what direct reads see.

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
        self._behind: dict[K, tuple[int, float]] = {}

    def watched(self, key: K, generation: int) -> None:
        """The watch brought a model at a generation."""
        self._watched[key] = max(generation, self._watched.get(key, 0))
        behind = self._behind.get(key)
        if behind is not None and self._watched[key] >= behind[0]:
            del self._behind[key]

    def read(self, key: K, generation: int) -> None:
        """A direct read found a model at a generation."""
        if self._watched.get(key, 0) >= generation:
            self._behind.pop(key, None)
        elif key not in self._behind:
            self._behind[key] = (generation, self._clock())

    def gone(self, key: K) -> None:
        """A model is no more."""
        self._watched.pop(key, None)
        self._behind.pop(key, None)

    def check(self) -> dict[str, float]:
        """Return the figures of the probe, in seconds.

        Raises:
            StaleError: a part stands still.
        """
        now = self._clock()
        waiting = self._schedule.overdue(now)
        working = self._schedule.longest_work(now)
        lag = max((now - since for _, since in self._behind.values()), default=0.0)
        for name, value, limit in (
            ("a model waits for a worker", waiting, self._limits.waiting),
            ("a reconcile runs", working, self._limits.working),
            ("the watch has missed a change", lag, self._limits.watch),
        ):
            if value > limit:
                raise StaleError(f"{name} for {value:.0f} s, the limit is {limit:.0f} s")
        return {"waiting": round(waiting, 3), "working": round(working, 3), "watch": round(lag, 3)}
