"""Appends of many requests in one: while one append is on its way, the next ones gather."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from recommender_collector.domain.lines import Lines
from recommender_collector.log.event_log import Appends, LogBusy, LogUnavailable

#: Of a record. An item takes at least two bytes, so a record has at most 131,072 of them, whatever
#: clients send.
MOST_BYTES = 256 * 1024
MAX_WAITING = 20_000  # events of a model; the budget of bodies bounds their bytes


@dataclass(slots=True)
class _Waiting:
    lines: Lines
    done: asyncio.Future[list[int]]


class GroupCommit:
    """Appends to the log of one model.

    An append takes all requests that wait, up to `most` events and `size` bytes. A sync to disk
    then serves many small requests, and large ones do not wait for one another. A request of more
    bytes is appended in parts, between which others have their turn.
    """

    def __init__(
        self,
        log: Appends,
        model: str,
        most: int = 1000,
        max_waiting: int = MAX_WAITING,
        size: int = MOST_BYTES,
    ) -> None:
        self._log = log
        self._model = model
        self._most = most
        self._max_waiting = max_waiting
        self._size = size
        self._queue: deque[_Waiting] = deque()
        self._events = 0
        self._running: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Events that are not durable yet."""
        return self._events

    async def append(self, lines: Lines) -> list[int]:
        """Append and return the indices of repeated ids, when the others are durable.

        Raises:
            LogBusy, LogUnavailable: see there. Parts of the request may be durable; the same
                events, sent again, are repeated.
        """
        if self._events + len(lines) > self._max_waiting:
            raise LogBusy(f"{self._events} events wait for the store")
        parts = lines.parts(self._size)
        if len(parts) == 1:
            return await self._turn(lines)
        repeated: list[int] = []
        start = 0
        for part in parts:
            repeated += [start + index for index in await self._turn(part)]
            start += len(part)
        return repeated

    async def _turn(self, lines: Lines) -> list[int]:
        waiting = _Waiting(lines, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._events += len(lines)
        if self._running is None:
            self._running = asyncio.create_task(self._drain())
        try:
            return await waiting.done
        finally:
            del waiting  # its exception has this frame: a cycle, which would keep the lines

    async def _drain(self) -> None:
        try:
            while self._queue:
                await self._commit(self._next())
        finally:
            self._running = None

    def _next(self) -> list[_Waiting]:
        taken = [self._queue.popleft()]
        events, size = len(taken[0].lines), len(taken[0].lines.text)
        while self._queue:
            events += len(self._queue[0].lines)
            size += len(self._queue[0].lines.text) + 1
            if events > self._most or size > self._size:
                break
            taken.append(self._queue.popleft())
        return taken

    async def _commit(self, taken: Sequence[_Waiting]) -> None:
        lines = Lines.joined([each.lines for each in taken])
        try:
            repeated = await self._log.append(self._model, lines)
        except LogBusy as error:
            _finish(taken, error)
        except LogUnavailable as error:
            _finish(taken, error)
            self._fail(error)
        except BaseException as error:
            _finish(taken, LogUnavailable(f"the append failed ({type(error).__name__})"))
            raise
        else:
            _share(taken, repeated)
        finally:
            self._events -= len(lines)
            del taken  # the exception they have now has this frame

    def _fail(self, error: LogUnavailable) -> None:
        """Fail what waits, too: after a log that hangs, appends in turn would take minutes."""
        while self._queue:
            waiting = self._queue.popleft()
            self._events -= len(waiting.lines)
            _finish([waiting], error)


def _finish(taken: Sequence[_Waiting], error: Exception) -> None:
    for each in taken:
        if not each.done.done():  # the client may have gone
            each.done.set_exception(error)


def _share(taken: Sequence[_Waiting], repeated: Sequence[int]) -> None:
    start, at = 0, 0
    for each in taken:
        end = start + len(each.lines)
        own: list[int] = []
        while at < len(repeated) and repeated[at] < end:
            own.append(repeated[at] - start)
            at += 1
        start = end
        if not each.done.done():
            each.done.set_result(own)
