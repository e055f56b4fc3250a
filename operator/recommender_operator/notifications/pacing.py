"""Pace of the notifications to a receiver: a token bucket, and pauses between tries."""

from __future__ import annotations

#: Requests that may be sent at once, and seconds until there may be one more. Slack allows one a
#: second and short bursts.
BURST, EVERY = 5, 2.0
#: Tries of one notification: about five minutes.
TRIES = 10
#: Longest time that one notification may wait between its tries, in seconds.
TOTAL = 600.0
#: Longest pause between two tries, and longest that a receiver may ask for, in seconds.
LONGEST, LONGEST_ASKED = 60.0, 300.0


class Bucket:
    """A token bucket, by a clock in seconds."""

    def __init__(self, now: float, *, burst: int = BURST, every: float = EVERY) -> None:
        self._burst = burst
        self._every = every
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> float:
        """Return 0 and take a token, or return the seconds until there is one."""
        gained = max(0.0, now - self._at) / self._every
        self._tokens, self._at = min(float(self._burst), self._tokens + gained), now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) * self._every


def pause(tries: int, share: float, asked: float | None = None) -> float:
    """Return the pause after so many failed tries.

    `share` in 0..1 is random, so that receivers behind one proxy are not asked all at once;
    `asked` is what the receiver asked for (Retry-After).
    """
    backoff = min(LONGEST, 2.0 ** min(tries - 1, 10))
    own: float = backoff * (0.5 + 0.5 * share)
    return own if asked is None else max(own, min(LONGEST_ASKED, max(0.0, asked)))


class Tries:
    """The failed tries of one notification."""

    def __init__(self) -> None:
        self._failed = 0
        self._waited = 0.0

    def pause(self, share: float, asked: float | None = None) -> float | None:
        """Return the pause after one more, as `pause` does; None if there were enough."""
        self._failed += 1
        found = pause(self._failed, share, asked)
        self._waited += found
        return found if self._failed < TRIES and self._waited <= TOTAL else None
