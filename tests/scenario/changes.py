"""Waits for changes in a namespace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

#: Time after which a watch is opened again, in case it is broken.
WATCH_SECONDS = 60
#: Pause before a failed watch is opened again.
RETRY_SECONDS = 0.5
#: Minimum time between two checks, because changes usually come in groups, and a check takes the
#: CPU of the product.
SETTLE_SECONDS = 0.2

#: Opens a watch and yields something for each change, until it ends by itself.
Watch = Callable[[], Iterable[object]]


class Changes:
    """Counts the changes that its watches report, starting with the first wait."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._started = False
        self._count = 0

    @property
    def count(self) -> int:
        """Number of changes; read it before a check, and pass it to `wait` after it."""
        with self._news:
            if not self._started:
                self._started = True
                for watch in self._watches:
                    threading.Thread(target=self._follow, args=(watch,), daemon=True).start()
            return self._count

    def wait(self, seen: int, seconds: float) -> None:
        """Return when there are more changes than `seen`, or after a number of seconds."""
        with self._news:
            came = self._news.wait_for(lambda: self._count != seen, timeout=seconds)
        if came:
            time.sleep(SETTLE_SECONDS)

    def stop(self) -> None:
        """Stop the watches; later waits are not allowed."""
        self._stop.set()

    def _follow(self, watch: Watch) -> None:
        while not self._stop.is_set():
            try:
                for _ in watch():
                    if self._stop.is_set():
                        return
                    with self._news:
                        self._count += 1
                        self._news.notify_all()
            except Exception:  # a broken stream is opened again; waits also check periodically
                self._stop.wait(RETRY_SECONDS)
