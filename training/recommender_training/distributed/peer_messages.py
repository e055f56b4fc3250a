"""Messages between the processes of a group, through torchrun's store.

The first process sends a heartbeat every few seconds, so that the others can wait for its long
work (a search, the evaluation) with a timeout.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

#: Heartbeat interval, poll interval of the store, and longest wait for peers to leave.
_BEAT_SECONDS, _POLL_SECONDS, _LEAVE_SECONDS = 5.0, 0.1, 30.0
_BEAT, _ENDED, _LEFT = "beat", "ended", "left"


class Store(Protocol):
    """The part of `torch.distributed.Store` in use."""

    def set(self, key: str, value: str, /) -> None:
        """Set a key."""
        ...

    def get(self, key: str, /) -> bytes:
        """Return the value of a key."""
        ...

    def check(self, keys: list[str], /) -> bool:
        """Return True if all keys exist."""
        ...

    def add(self, key: str, amount: int, /) -> int:
        """Add to a counter and return the result."""
        ...


def rendezvous(
    store: Store,
    rank: int,
    size: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """Agree on a name for this run of the group, the same in all current processes.

    torchrun keeps its store when it restarts the processes, with the addresses and errors of dead
    processes. So each process writes a new random token, and the first process creates a meeting
    from the tokens that it finds. Raises PeerError after `seconds`.
    """
    token, until = secrets.token_hex(8), clock() + seconds
    if rank != 0:
        store.set(f"word/{rank}", token)
    while clock() < until:
        name = _call(store, size, token) if rank == 0 else _join(store, rank, token)
        if name is not None:
            return name
        pause(_POLL_SECONDS)
    raise PeerError(
        f"not all {size} processes joined within {seconds:.0f} s: check their logs, or raise "
        "RECOMMENDER_PEER_TIMEOUT_SECONDS"
    )


def _call(store: Store, size: int, name: str) -> str | None:
    """As the first process, answer all tokens; return the name once all have joined."""
    others = range(1, size)
    tokens = {
        number: store.get(f"word/{number}").decode()
        for number in others
        if store.check([f"word/{number}"])
    }
    store.set("meeting", json.dumps({"name": name, "words": tokens}))
    met = all(store.check([f"{name}/{number}"]) for number in others)
    return name if met else None


def _join(store: Store, rank: int, token: str) -> str | None:
    """As any other process, join the meeting that answers the token, if there is one."""
    if not store.check(["meeting"]):
        return None
    meeting = json.loads(store.get("meeting"))
    if meeting["words"].get(str(rank)) != token:
        return None
    store.set(f"{meeting['name']}/{rank}", token)
    return str(meeting["name"])


class PeerError(RuntimeError):
    """Raised if the group cannot continue for a reason outside this process."""


class Peers:
    """Messages to and from the other processes of the group."""

    def __init__(
        self,
        store: Store,
        rank: int,
        size: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._rank, self._size, self._seconds = store, rank, size, seconds
        self._clock, self._pause = clock, pause

    def tell(self, key: str, text: str) -> None:
        """Send a text to the other processes."""
        self._store.set(key, text)

    def hear(self, key: str) -> str:
        """Wait for a text of the first process.

        Raises PeerError if it failed, or sent no heartbeat for the timeout.
        """
        last, since = b"", self._clock()
        while not self._store.check([key]):
            if self._store.check([_failure(0)]):
                raise PeerError("the first process failed; see its report")
            if self._store.check([_BEAT]) and (beat := self._store.get(_BEAT)) != last:
                last, since = beat, self._clock()
            if self._clock() - since > self._seconds:
                raise PeerError(
                    f"the first process sent no heartbeat for {self._seconds:.0f} s "
                    f"(RECOMMENDER_PEER_TIMEOUT_SECONDS) while this one waited for {key!r}"
                )
            self._pause(_POLL_SECONDS)
        return self._store.get(key).decode()

    def fail(self, code: int, report: dict[str, Any]) -> None:
        """Publish the error of this process."""
        failure = {"code": code, "reason": report["reason"], "message": report["message"]}
        with contextlib.suppress(RuntimeError):  # the store may be gone with its host
            self._store.set(_failure(self._rank), json.dumps(failure))

    def failures(self) -> list[tuple[int, dict[str, Any]]]:
        """Return rank and error of each of the other processes that failed."""
        found: list[tuple[int, dict[str, Any]]] = []
        with contextlib.suppress(RuntimeError):
            found.extend(
                (rank, json.loads(self._store.get(_failure(rank))))
                for rank in range(self._size)
                if rank != self._rank and self._store.check([_failure(rank)])
            )
        return found

    def end(self) -> None:
        """As the first process, announce the end and wait a limited time until others leave."""
        self._store.set(_ENDED, "")
        until = self._clock() + min(self._seconds, _LEAVE_SECONDS)
        while self._store.add(_LEFT, 0) < self._size - 1 and self._clock() < until:
            self._pause(_POLL_SECONDS)

    def leave(self) -> None:
        """As any other process, wait for the end."""
        self.hear(_ENDED)
        self._store.add(_LEFT, 1)

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Send heartbeats inside the block."""
        ended = threading.Event()

        def beat() -> None:
            number = 0
            with contextlib.suppress(RuntimeError):
                while not ended.is_set():
                    number += 1
                    self._store.set(_BEAT, str(number))
                    ended.wait(_BEAT_SECONDS)

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _failure(rank: int) -> str:
    return f"failed/{rank}"
