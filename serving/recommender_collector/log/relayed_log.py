"""How much of the topics of Kafka is in the log in Redis.

All of it is in one hash of a model, which shares the model's hash tag; times are in
milliseconds since 1970:

    "<topic> <partition>"   the offset of the next message
    "<topic> id"            what tells the topic from a later one of the same name
    at                      time of the newest record of the log
    through                 all events acknowledged before this time are applied to the store
"""

from __future__ import annotations

from collections.abc import Mapping

from redis.asyncio import Redis

from recommender_collector.domain.lines import Lines
from recommender_collector.log.event_log import LogBusy, LogUnavailable
from recommender_collector.log.positions import offset_key
from recommender_collector.log.redis_log import (
    FULL,
    arguments_of,
    bucket,
    ids,
    stream,
    translated,
)
from recommender_collector.log.redis_scripts import MARK, RELAY

THROUGH = "through"
IDENTITY = "id"


class Relayed:
    """The offsets of all models. `ages` are the seconds for which each model's ids are known."""

    def __init__(self, redis: Redis, ages: Mapping[str, int]) -> None:
        self._redis = redis
        self._bucket = {model: bucket(seconds) for model, seconds in ages.items()}
        self._script = redis.register_script(RELAY)
        self._mark = redis.register_script(MARK)

    async def offsets(self, model: str, topic: str, identity: str = "") -> dict[int, int]:
        """Return the offset of the next message of each partition that was read.

        Args:
            model: name of the model.
            topic: name of the topic.
            identity: its id; the first one of a name is stored. Empty: the brokers tell none.

        Raises:
            LogUnavailable: see there; or the offsets are of another topic of this name. What they
                say of this one is wrong, also when it has grown past them.
        """
        own = f"{topic} {IDENTITY}"
        with translated():
            pipeline = self._redis.pipeline(transaction=False)
            if identity:
                pipeline.hsetnx(offsets_key(model), own, identity)
            pipeline.hgetall(offsets_key(model))
            fields = (await pipeline.execute())[-1]
        found = {name.decode(): text.decode() for name, text in fields.items()}
        if identity and found[own] != identity:
            raise LogUnavailable(
                f"topic {topic} was made anew, and what was read of it is gone: give the topics "
                "another name"
            )
        named = {name.rpartition(" "): text for name, text in found.items()}
        return {
            int(place): int(text)
            for (name, _, place), text in named.items()
            if name == topic and place != IDENTITY
        }

    async def append(
        self,
        model: str,
        partition: str,
        before: int | None,
        after: int,
        at: int,
        lines: Lines,
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

    async def mark(self, model: str, through: int, record: str | None = None) -> str | None:
        """Store that all events acknowledged before a time, in milliseconds, are applied.

        They are when the writer of the store has applied the record, by default the newest one.

        Returns:
            The record, if it is not applied yet; nothing is stored then.

        Raises:
            LogUnavailable: see there.
        """
        keys = [stream(model), offset_key(model), offsets_key(model)]
        with translated():
            waits = await self._mark(keys=keys, args=[THROUGH, str(through), record or ""])
        return None if waits is None else str(waits.decode())


def offsets_key(model: str) -> str:
    """Return the key of the offsets."""
    return f"{{{model}}}:kafka"


def partition_of(topic: str, partition: int) -> str:
    """Return the field of a partition's offset."""
    return f"{topic} {partition}"
