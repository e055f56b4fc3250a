"""Token buckets: how many events a second a source, a user and a model may send."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

#: Seconds of the rate that may come at once after silence.
BURST_SECONDS = 10.0
#: Buckets of one kind that are kept.
MOST = 20_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Events a second, by each pod; 0 for no limit."""

    source: float = 0.0
    user: float = 0.0
    model: float = 0.0


class TokenBuckets:
    """A bucket for each name.

    Whoever has any tokens may take more than these, and then waits for as long as it takes to
    earn them: so a request may have more events than a bucket. Of too many names, that of the
    longest silence is forgotten: its bucket is full, unless all have sent within ten seconds.
    """

    def __init__(self, rate: float, clock: Callable[[], float], most: int = MOST) -> None:
        self._rate = rate
        self._full = rate * BURST_SECONDS
        self._clock = clock
        self._most = most
        #: Tokens, which may be owed, and when; by the hash of the name, which takes less memory.
        self._kept: dict[int, tuple[float, float]] = {}

    def wait(self, name: Hashable) -> float:
        """Return the seconds until the name may send; 0 if it may now."""
        tokens = self._tokens(hash(name), self._clock())
        return 0.0 if tokens > 0 else max(-tokens / self._rate, 0.001)

    def take(self, name: Hashable, events: int) -> None:
        """Take a token for each event."""
        now, hashed = self._clock(), hash(name)
        tokens = self._tokens(hashed, now) - events
        self._kept.pop(hashed, None)
        self._kept[hashed] = (tokens, now)  # at the end, so that the first is the most silent
        if len(self._kept) > self._most:
            self._kept.pop(next(iter(self._kept)))

    def __len__(self) -> int:
        return len(self._kept)

    def _tokens(self, hashed: int, now: float) -> float:
        tokens, then = self._kept.get(hashed, (self._full, now))
        return min(self._full, tokens + (now - then) * self._rate)
