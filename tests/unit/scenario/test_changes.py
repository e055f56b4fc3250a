"""Who waits for something is woken by a change, and never misses one."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator

import pytest

from tests.scenario import changes
from tests.scenario.changes import Changes
from tests.scenario.kube import wait_until

#: More than any test takes: what waits so long was not woken.
LONG = 60.0


class Server:
    """Yields what a test puts in, until None; an exception breaks the stream."""

    def __init__(self) -> None:
        self.events: queue.Queue[object] = queue.Queue()
        self.opened = 0

    def watch(self) -> Iterator[object]:
        self.opened += 1
        while (event := self.events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def watched(server: Server) -> Iterator[Changes]:
    made = Changes([server.watch])
    yield made
    made.stop()
    server.events.put(None)


def test_a_change_ends_a_wait(server: Server, watched: Changes) -> None:
    looked = threading.Event()

    def condition() -> bool:
        # The change comes between this look and the wait: it must count all the same.
        if not looked.is_set():
            looked.set()
            server.events.put("change")
            return False
        return True

    assert wait_until("it", condition, watched, seconds=LONG, between=LONG) < LONG / 2


def test_a_change_before_the_wait_is_not_missed(server: Server, watched: Changes) -> None:
    before = watched.count
    server.events.put("change")
    while watched.count == before:
        pass
    began = time.monotonic()
    watched.wait(before, LONG)
    assert time.monotonic() - began < LONG / 2


def test_a_condition_that_never_holds_is_named(watched: Changes) -> None:
    with pytest.raises(TimeoutError, match="waited 0 s for: the moon\nfar away"):
        wait_until(
            "the moon", lambda: False, watched,
            seconds=0, explain=lambda: "far away", between=0,
        )  # fmt: skip


def test_a_broken_watch_is_opened_again(
    server: Server, watched: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "RETRY_SECONDS", 0)
    before = watched.count
    server.events.put(ConnectionError("gone"))
    server.events.put("change")
    watched.wait(before, LONG)
    assert watched.count == before + 1
    assert server.opened == 2


def test_nothing_is_watched_before_somebody_waits(server: Server, watched: Changes) -> None:
    assert server.opened == 0
