"""Remember known sessions in bounded memory."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable


class SessionMemory:
    """Least recently used memory of session ids.

    Keys are 64-bit hashes, so all entries have the same size. The probability that two of 50 000
    sessions collide is below 1e-10. As in training, a session ends after `ttl` seconds without a
    request.
    """

    def __init__(
        self, clock: Callable[[], float], *, capacity: int = 50_000, ttl: float = 1800.0
    ) -> None:
        self._clock = clock
        self._capacity = capacity
        self._ttl = ttl
        self._seen: OrderedDict[int, float] = OrderedDict()  # hash -> time of the last request

    def __len__(self) -> int:
        return len(self._seen)

    def first_seen(self, session_id: str | None) -> bool:
        """Return whether this request starts a session; without an id it always does."""
        if session_id is None:
            return True
        digest = hashlib.blake2b(session_id.encode(errors="surrogatepass"), digest_size=8).digest()
        key = int.from_bytes(digest, "little")
        now = self._clock()
        last = self._seen.pop(key, None)
        self._seen[key] = now
        self._forget(now)
        return last is None or now - last > self._ttl

    def _forget(self, now: float) -> None:
        while len(self._seen) > self._capacity:
            self._seen.popitem(last=False)
        while self._seen and now - next(iter(self._seen.values())) > self._ttl:
            self._seen.popitem(last=False)
