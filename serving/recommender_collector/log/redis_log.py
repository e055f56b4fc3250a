"""The log in Redis: a stream a model, and the ids of its events."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    NoScriptError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.typing import EncodableT

from recommender_collector.domain.lines import DIGEST_BYTES, Lines
from recommender_collector.log.event_log import Backlog, LogBusy, LogUnavailable, Record
from recommender_collector.log.held_connection import HeldConnection
from recommender_collector.log.redis_scripts import APPEND, APPEND_SHA1, READ

SETS = 4  # former sets of ids; ids are kept for one to 1 + 1/SETS times their age
#: Share of the store's memory above which appends wait, so that the writers can go on.
FULL = 0.85
#: The same for impressions: what was shown leaves the rest to what was bought.
FULL_FOR_IMPRESSIONS = 0.8
MAX_LINES = 1000  # Lua passes at most about 8,000 arguments to a command
#: Of a read, if it has more than one record. An event of a line takes up to 15 times its bytes.
READ_BYTES = 1024 * 1024


class RedisLog:
    """The log of all models. `ages` are the seconds for which each model's ids are known."""

    def __init__(self, redis: Redis, ages: Mapping[str, int]) -> None:
        self._redis = redis
        self._bucket = {model: bucket(seconds) for model, seconds in ages.items()}
        self._held = {model: HeldConnection(redis.connection_pool) for model in ages}
        self._full = False
        self._takes_impressions = True
        self._read = redis.register_script(READ)

    async def append(self, model: str, lines: Lines) -> list[int]:
        """Append the events whose id is new; see `EventLog`."""
        if not 1 <= len(lines) <= MAX_LINES:
            raise ValueError(f"{len(lines)} lines: give 1 to {MAX_LINES}")
        if self._full:
            raise LogBusy("the store's memory is full")
        with translated():
            return await self._run_append(model, arguments_of(self._bucket[model], lines))

    async def _run_append(self, model: str, arguments: Sequence[EncodableT]) -> list[int]:
        held = self._held[model]
        words = ("EVALSHA", APPEND_SHA1, 2, stream(model), ids(model), *arguments)
        try:
            found = await held.call(*words)
        except NoScriptError:  # the store was started again
            await held.call("SCRIPT LOAD", APPEND)
            found = await held.call(*words)
        return cast(list[int], found)

    def takes_impressions(self) -> bool:
        """Return whether there is room for impressions too, at the last look at the backlog."""
        return self._takes_impressions

    async def append_erasure(self, model: str, line: bytes) -> None:
        """Append an erasure; see `EventLog`. A full store takes it."""
        with translated():
            await self._redis.xadd(stream(model), {b"e": line})

    async def read(self, model: str, after: str, records: int, seconds: float) -> list[Record]:
        """Return records after the offset; see `EventLog`."""
        block = max(1, int(seconds * 1000))
        with translated():
            found = await self._read(keys=[stream(model)], args=[after, records, READ_BYTES])
            if not found:  # wait for one
                read = await self._redis.xread({stream(model): after}, count=1, block=block)
                found = [
                    (offset, fields[b"e"])
                    for _, entries in read or ()
                    for offset, fields in entries
                ]
        return [Record(offset.decode(), tuple(text.split(b"\n"))) for offset, text in found]

    async def trim(self, model: str, through: str) -> None:
        """Remove records; see `EventLog`."""
        milliseconds, number = through.split("-")
        first = f"{milliseconds}-{int(number) + 1}"
        with translated():
            await self._redis.xtrim(stream(model), minid=first, approximate=False)

    async def backlog(self) -> dict[str, Backlog]:
        """Return the state of each model's log; appends stop while the memory is nearly full.

        Raises:
            LogUnavailable: see there.
        """
        with translated():
            pipeline = self._redis.pipeline(transaction=False)
            for model in self._bucket:
                pipeline.xlen(stream(model))
            pipeline.info("memory")
            *lengths, memory = await pipeline.execute()
        limit = memory.get("maxmemory", 0)
        share = memory["used_memory"] / limit if limit else 0.0
        self._full = share >= FULL
        self._takes_impressions = share < FULL_FOR_IMPRESSIONS
        return {
            model: Backlog(length, share)
            for model, length in zip(self._bucket, lengths, strict=True)
        }


def stream(model: str) -> str:
    """Return the key of a model's stream."""
    return f"{{{model}}}:events"


def ids(model: str) -> str:
    """Return the prefix of the keys of a model's ids."""
    return f"{{{model}}}:ids:"


def bucket(known: int) -> int:
    """Return the seconds of a set of ids that are known for so many seconds."""
    return -(-known // SETS)


def arguments_of(seconds: int, lines: Lines) -> list[EncodableT]:
    """Return the arguments of scripts that find lines with new ids, in sets of so many seconds."""
    return [seconds, SETS, len(lines), DIGEST_BYTES, lines.digests, lines.text]


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise errors of Redis as those of the log."""
    try:
        yield
    except OutOfMemoryError as error:
        raise LogBusy("the store's memory is full") from error
    except BusyLoadingError as error:
        raise LogUnavailable("the store is starting") from error
    except (ConnectionError, TimeoutError, OSError) as error:
        raise LogUnavailable(f"the store does not answer ({type(error).__name__})") from error
    except ResponseError as error:
        if str(error).startswith("OOM"):  # from inside a script
            raise LogBusy("the store's memory is full") from error
        raise LogUnavailable(f"the store refuses ({str(error)[:100]})") from error
    except RedisError as error:
        raise LogUnavailable(f"the store fails ({type(error).__name__})") from error
