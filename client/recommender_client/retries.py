"""When to try again, and how long to wait: pure.

A recommendation changes nothing on the server, and an event counts once by its id, so that every
failed attempt may be repeated.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

#: Statuses of a proxy or a server that another attempt may not meet.
TRANSIENT = frozenset({408, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """Up to `count` further attempts; waits double from `first` to `most`, in seconds.

    Each wait is drawn evenly from 0 to its limit ("full jitter"), so that clients that failed
    together do not come back together:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    count: int = 2
    first: float = 0.02
    most: float = 1.0

    def __post_init__(self) -> None:
        if self.count < 0 or not 0 <= self.first <= self.most:
            raise ValueError(f"{self}: give count >= 0 and 0 <= first <= most")


class Attempts:
    """The attempts of one call until its deadline.

    `left` is the time of the next attempt, in seconds; `wait` is None if there is none.
    """

    def __init__(
        self,
        retries: Retries,
        deadline: float,
        clock: Callable[[], float],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._retries = retries
        self._clock = clock
        self._draw = draw
        self._end = clock() + deadline
        self._failed = 0

    @property
    def left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self._end - self._clock())

    def wait(self, least: float = 0.0) -> float | None:
        """Count a failure; return the seconds until the next attempt, None if it is the last.

        `least` is what the server asks for; the drawn wait comes on top of it, so that clients
        that were sent away together do not come back together.
        """
        self._failed += 1
        if self._failed > self._retries.count:
            return None
        limit = min(self._retries.most, self._retries.first * 2 ** (self._failed - 1))
        seconds = least + limit * self._draw()
        return seconds if seconds < self.left else None

    @property
    def failed(self) -> int:
        """Attempts that failed."""
        return self._failed
