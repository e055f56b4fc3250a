"""Wakes those who wait for something in a namespace, when something in it changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

#: After so long a watch is opened again: a broken one must not go unnoticed.
WATCH_SECONDS = 60
#: Before a watch that failed is opened again.
RETRY_SECONDS = 0.5
#: A change comes seldom alone: between two looks there is at least so much time.
SETTLE_SECONDS = 0.05

#: Opens a watch and yields something for each change, until it ends by itself.
Watch = Callable[[], Iterable[object]]


class Changes:
    """Counts the changes that its watches see, from the first time that somebody waits."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._started = False
        self._count = 0

    @property
    def count(self) -> int:
        """How many there were; to be read before a look, and given to `wait` after it."""
        with self._news:
            if not self._started:
                self._started = True
                for watch in self._watches:
                    threading.Thread(target=self._follow, args=(watch,), daemon=True).start()
            return self._count

    def wait(self, seen: int, seconds: float) -> None:
        """Return when there were more changes than `seen`, or after so many seconds."""
        with self._news:
            came = self._news.wait_for(lambda: self._count != seen, timeout=seconds)
        if came:
            time.sleep(SETTLE_SECONDS)

    def stop(self) -> None:
        """Let the watches end; nobody may wait any more."""
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
            except Exception:  # a broken stream is opened again; who waits looks now and then
                self._stop.wait(RETRY_SECONDS)
