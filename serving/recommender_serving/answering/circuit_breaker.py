"""Admission to a model: pure counting that keeps a stuck model from collecting requests."""

from __future__ import annotations

from recommender_serving.domain.types import FallReason


class CircuitBreaker:
    """Decides before each call whether a model is tried.

    At most `limit` calls are in flight. After `open_after` failed calls in a row (late, or
    refused) one call at a time is tried and the rest is turned away at once, until one call
    succeeds: users of a dead model do not wait for its timeout, Triton's queue stays empty, and
    recovery is seen by the next try. A request turned away is a fall of the model like any
    other, under the reason of the calls that closed it, so that an analysis sees them all.
    """

    def __init__(self, limit: int = 128, open_after: int = 20) -> None:
        self._limit = limit
        self._open_after = open_after
        self._in_flight = 0
        self._failures = 0  # in a row
        self._last = FallReason.TIMEOUT

    @property
    def in_flight(self) -> int:
        """Calls admitted and not yet released."""
        return self._in_flight

    @property
    def tripped(self) -> bool:
        """Whether one call at a time is let through."""
        return self._failures >= self._open_after

    def admit(self) -> FallReason | None:
        """Take a place; a reason says that the request was turned away and holds none."""
        if self.tripped and self._in_flight > 0:
            return self._last
        if self._in_flight >= self._limit:
            return FallReason.TIMEOUT
        self._in_flight += 1
        return None

    def release(self, failure: FallReason | None) -> None:
        """Give the place back after an admitted call.

        An answer of bad content (non-finite, empty) is still an answer: the model is reachable.
        """
        self._in_flight -= 1
        if failure in (FallReason.TIMEOUT, FallReason.ERROR):
            self._failures += 1
            self._last = failure
        else:
            self._failures = 0

    def abandon(self) -> None:
        """Give the place back after a call that the caller gave up: it says nothing."""
        self._in_flight -= 1
