"""What the processes of a group tell one another beside the arithmetic, through torchrun's store.

The first process gives a sign of life every few seconds, so that the others can wait for its long
work (a search, the evaluation) without waiting for ever.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

#: Between two signs of life, between two looks at the store, and for the last words of peers.
_BEAT_SECONDS, _LOOK_SECONDS, _LEAVE_SECONDS = 5.0, 0.1, 30.0
_BEAT, _ENDED, _LEFT = "beat", "ended", "left"


class Store(Protocol):
    """What is used of a `torch.distributed.Store`."""

    def set(self, key: str, value: str, /) -> None:
        """Let all see it."""
        ...

    def get(self, key: str, /) -> bytes:
        """What is there."""
        ...

    def check(self, keys: list[str], /) -> bool:
        """Whether all are there."""
        ...

    def add(self, key: str, amount: int, /) -> int:
        """Count up; the number then."""
        ...


def meet(
    store: Store,
    rank: int,
    size: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """The name of this meeting, the same in all processes that are there now.

    torchrun keeps its store when it starts the processes again, and what those before them wrote
    would be believed: the addresses of dead processes, and why they ended. So each process says
    a word that nobody knew, and the first one names a meeting by the words that it answers.
    Raises PeerError after `seconds`.
    """
    said, until = secrets.token_hex(8), clock() + seconds
    if rank != 0:
        store.set(f"word/{rank}", said)
    while clock() < until:
        name = _called(store, size, said) if rank == 0 else _joined(store, rank, said)
        if name is not None:
            return name
        pause(_LOOK_SECONDS)
    raise PeerError(
        f"not all {size} processes were there within {seconds:.0f} s "
        "(RECOMMENDER_PEER_TIMEOUT_SECONDS)"
    )


def _called(store: Store, size: int, name: str) -> str | None:
    """The first process: answer the words that are there; the name, once all have joined."""
    others = range(1, size)
    words = {
        number: store.get(f"word/{number}").decode()
        for number in others
        if store.check([f"word/{number}"])
    }
    store.set("meeting", json.dumps({"name": name, "words": words}))
    met = all(store.check([f"{name}/{number}"]) for number in others)
    return name if met else None


def _joined(store: Store, rank: int, word: str) -> str | None:
    """Any other process: join the meeting that answers its word, if there is one."""
    if not store.check(["meeting"]):
        return None
    told = json.loads(store.get("meeting"))
    if told["words"].get(str(rank)) != word:
        return None
    store.set(f"{told['name']}/{rank}", word)
    return str(told["name"])


class PeerError(RuntimeError):
    """The group cannot go on, for a reason that is not in this process."""


class Peers:
    """The other processes, as one of `size` hears and tells them."""

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
        """Let the others hear it."""
        self._store.set(key, text)

    def hear(self, key: str) -> str:
        """What the first process tells, as soon as it does.

        Raises PeerError when it failed, or gave no sign of life for the time that is allowed.
        """
        last, since = b"", self._clock()
        while not self._store.check([key]):
            if self._store.check([_failure(0)]):
                raise PeerError("the first process failed; its report says why")
            if self._store.check([_BEAT]) and (beat := self._store.get(_BEAT)) != last:
                last, since = beat, self._clock()
            if self._clock() - since > self._seconds:
                raise PeerError(
                    f"the first process gave no sign of life for {self._seconds:.0f} s "
                    f"(RECOMMENDER_PEER_TIMEOUT_SECONDS) while this one waited for {key!r}"
                )
            self._pause(_LOOK_SECONDS)
        return self._store.get(key).decode()

    def fail(self, code: int, report: dict[str, Any]) -> None:
        """Tell why this process ends."""
        told = {"code": code, "reason": report["reason"], "message": report["message"]}
        with contextlib.suppress(RuntimeError):  # the store may be gone with its host
            self._store.set(_failure(self._rank), json.dumps(told))

    def failures(self) -> list[tuple[int, dict[str, Any]]]:
        """Rank and last words of each of the others that told why it ended."""
        found: list[tuple[int, dict[str, Any]]] = []
        with contextlib.suppress(RuntimeError):
            found.extend(
                (rank, json.loads(self._store.get(_failure(rank))))
                for rank in range(self._size)
                if rank != self._rank and self._store.check([_failure(rank)])
            )
        return found

    def end(self) -> None:
        """The first process: all is done; wait until the others have heard, but not for long."""
        self._store.set(_ENDED, "")
        until = self._clock() + min(self._seconds, _LEAVE_SECONDS)
        while self._store.add(_LEFT, 0) < self._size - 1 and self._clock() < until:
            self._pause(_LOOK_SECONDS)

    def leave(self) -> None:
        """Any other process: wait until all is done."""
        self.hear(_ENDED)
        self._store.add(_LEFT, 1)

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Give signs of life meanwhile."""
        ended = threading.Event()

        def beat() -> None:
            number = 0
            with contextlib.suppress(RuntimeError):
                while not ended.is_set():
                    number += 1
                    self._store.set(_BEAT, str(number))
                    ended.wait(_BEAT_SECONDS)

        thread = threading.Thread(target=beat, name="signs of life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _failure(rank: int) -> str:
    return f"failed/{rank}"
