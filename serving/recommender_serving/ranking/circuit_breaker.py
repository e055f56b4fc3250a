"""Circuit breaker and concurrency limit of a model: pure counting."""

from __future__ import annotations

from recommender_serving.domain.types import FallReason


class CircuitBreaker:
    """Decides before each call whether to call a model.

    At most `limit` calls are in flight. After `open_after` failures in a row (timeout or error)
    the breaker opens: it admits one call at a time and rejects the others at once, until a call
    succeeds. Users of a failed model thus do not wait for its timeout, Triton's queue stays
    empty, and the next call detects the recovery. A rejected call counts as a fallback, with the
    reason of the failed calls, so that the analysis sees all of them.
    """

    def __init__(self, limit: int = 128, open_after: int = 20) -> None:
        self._limit = limit
        self._open_after = open_after
        self._in_flight = 0
        self._failures = 0.0  # in a row, with parts
        self._last = FallReason.TIMEOUT

    @property
    def in_flight(self) -> int:
        """Number of calls that are admitted and not yet released."""
        return self._in_flight

    @property
    def tripped(self) -> bool:
        """True if the breaker is open: it admits one call at a time."""
        return self._failures >= self._open_after

    def admit(self) -> FallReason | None:
        """Admit a call and return None, or reject it and return the reason."""
        if self.tripped and self._in_flight > 0:
            return self._last
        if self._in_flight >= self._limit:
            return FallReason.TIMEOUT
        self._in_flight += 1
        return None

    def release(self, failure: FallReason | None) -> None:
        """End an admitted call.

        A bad answer (non-finite, empty) does not count as a failure: the model is reachable.
        """
        self._in_flight -= 1
        if failure in (FallReason.TIMEOUT, FallReason.ERROR):
            self._failures += 1
            self._last = failure
        else:
            self._failures = 0.0

    def abandon(self, waited: float = 0.0) -> None:
        """End an admitted call that did not have its whole time.

        `waited` is the share of its full time that it had, and it counts as this fraction of a
        failure: many short waits for a model that hangs open the breaker as a few long ones do,
        and an answer between them closes it.
        """
        self._in_flight -= 1
        if waited > 0:
            self._failures += min(waited, 1.0)
            self._last = FallReason.TIMEOUT
