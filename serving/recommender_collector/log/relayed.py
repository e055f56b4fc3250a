"""How much of the topics of Kafka is in the log in Redis.

All of it is in one hash of a model, which shares the model's hash tag; times are in
milliseconds since 1970:

    "<topic> <partition>"   the offset of the next message
    at                      time of the newest record of the log
    through                 all events acknowledged before this time are in the log
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from recommender_collector.domain.events import Line
from recommender_collector.log.port import LogBusy
from recommender_collector.log.redis_log import (
    FULL,
    arguments_of,
    bucket,
    ids,
    stream,
    translated,
)
from recommender_collector.log.scripts import RELAY

THROUGH = "through"


class Relayed:
    """The offsets of all models. `ages` are the seconds for which each model's ids are known."""

    def __init__(self, redis: Redis, ages: Mapping[str, int]) -> None:
        self._redis = redis
        self._bucket = {model: bucket(seconds) for model, seconds in ages.items()}
        self._script = redis.register_script(RELAY)

    async def offsets(self, model: str, topic: str) -> dict[int, int]:
        """Return the offset of the next message of each partition that was read.

        Raises:
            LogUnavailable: see there.
        """
        with translated():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hgetall(offsets_key(model))
            (found,) = await pipeline.execute()
        named = {name.decode().rpartition(" "): int(value) for name, value in found.items()}
        return {int(place): value for (name, _, place), value in named.items() if name == topic}

    async def append(
        self,
        model: str,
        partition: str,
        before: int | None,
        after: int,
        at: int,
        lines: Sequence[Line],
    ) -> int | None:
        """Append the lines with new ids as one record and move the offset: all or nothing.

        Args:
            model: name of the model.
            partition: topic and number, by `partition_of`.
            before: the offset of the first line, or of a former message; None: none was read.
            after: the offset after the last line.
            at: time of the lines, in milliseconds since 1970.
            lines: at most `MOST_MESSAGES`.

        Returns:
            The number of lines whose id is known; None if the offset is not `before`: another
            relay was faster, nothing was written.

        Raises:
            LogBusy, LogUnavailable: see there.
        """
        start = "" if before is None else before
        arguments = [*arguments_of(self._bucket[model], lines), partition, start, after, at]
        with translated():
            known = await self._script(
                keys=[stream(model), ids(model), offsets_key(model)], args=arguments
            )
        return None if known < 0 else int(known)

    async def look(self) -> int:
        """Return the time of Redis in milliseconds.

        Raises:
            LogBusy: its memory is nearly full, so messages stay in Kafka.
            LogUnavailable: see there.
        """
        with translated():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.time()
            pipeline.info("memory")
            (seconds, micro), memory = await pipeline.execute()
        limit = memory.get("maxmemory", 0)
        if limit and memory["used_memory"] >= FULL * limit:
            raise LogBusy("the store's memory is full; events wait in Kafka")
        return int(seconds) * 1000 + int(micro) // 1000

    async def mark(self, model: str, through: int) -> None:
        """Store that all events acknowledged before a time, in milliseconds, are in the log.

        Raises:
            LogUnavailable: see there.
        """
        with translated():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hset(offsets_key(model), THROUGH, str(through))
            await pipeline.execute()


def offsets_key(model: str) -> str:
    """Return the key of the offsets."""
    return f"{{{model}}}:kafka"


def partition_of(topic: str, partition: int) -> str:
    """Return the field of a partition's offset."""
    return f"{topic} {partition}"
