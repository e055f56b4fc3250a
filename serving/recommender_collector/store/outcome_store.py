"""Outcomes of predictions in Redis: users, sums, and what they are read for.

All keys of a model share its hash tag:

    {<model>}:outcomes                a hash: "" -> index; "<version> <day>" -> sums
    {<model>}:outcomes:user:<user>    predictions and positive events that may still change sums
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from redis.asyncio import Redis

from recommender_collector.domain.formats import Damaged
from recommender_collector.log import positions
from recommender_collector.log.positions import offset_key
from recommender_collector.log.redis_log import stream
from recommender_collector.log.relayed_log import THROUGH, offsets_key
from recommender_collector.outcomes.outcome_accumulator import OutcomeChanges
from recommender_collector.outcomes.outcome_sums import OutcomeSums
from recommender_collector.outcomes.prediction_segments import Values
from recommender_collector.outcomes.predictions import Cell, LabelRule, PredictedUser
from recommender_collector.outcomes.version_index import VersionIndex
from recommender_collector.store.read_script import ReadScript
from recommender_collector.store.user_store import Command

logger = logging.getLogger(__name__)
Value = TypeVar("Value")
#: Without a prediction for so long the sums of a model are forgotten.
KEEP_SECONDS = 60 * 86_400
#: Share of the store's memory above which no more users are taken; experiments go before.
FULL = 0.6

#: Reads the index and the clock at one moment. KEYS: the offset, the stream, the sums, the offsets
#: of Kafka. Returns the oldest record that the writer has not applied, or none; the time; the
#: index; the time through which events of Kafka are applied.
READ = """
local offset = redis.call('GET', KEYS[1]) or '0-0'
local next = redis.call('XRANGE', KEYS[2], '(' .. offset, '+', 'COUNT', 1)
local index, through = redis.call('HGET', KEYS[3], ''), redis.call('HGET', KEYS[4], ARGV[1])
return {next[1] and next[1][1] or false, redis.call('TIME'), index, through}
"""

#: A transaction would be refused above `maxmemory`. KEYS: the offset, the part, the sums, users.
#: Returns the values of the first two, the index, and the values of the users.
KNOWN = """
local found = {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}
found[3] = redis.call('HGET', KEYS[3], '')
found[4] = redis.call('MGET', unpack(KEYS, 4))
return found
"""


@dataclass(frozen=True, slots=True)
class Known:
    """Users of a record, as the store has them."""

    place: str  # of the writer
    index: VersionIndex | None  # None: it has none, or cannot read it
    predicted_users: dict[int, PredictedUser]
    has_memory: bool


@dataclass(frozen=True, slots=True)
class Account:
    """The outcomes of a version at one moment."""

    watermark: float  # every event acknowledged before it counts; seconds since 1970
    days: Mapping[int, OutcomeSums]
    closes_after: int  # seconds from the end of a day until it is closed
    ignored: int = 0  # predictions that do not count
    segments: Values = field(default_factory=dict)  # that the numbers of segments stand for


class OutcomeStore:
    """The outcomes of all models. Damaged data is skipped: outcomes monitor and decide nothing.

    With `from_kafka`, events are acknowledged by Kafka.
    """

    def __init__(self, redis: Redis, *, from_kafka: bool = False) -> None:
        self._redis = redis
        self._from_kafka = from_kafka
        self._read = ReadScript(redis, READ)
        self._known = redis.register_script(KNOWN)

    async def known(self, model: str, users: Collection[int]) -> Known:
        """Return the state of users."""
        every = list(users)
        memory = await self._redis.info("memory")
        keys = [*positions.keys(model), _sums(model), *(_user(model, user) for user in every)]
        offset, part, index, texts = await self._known(keys=keys)
        most = memory.get("maxmemory", 0) or math.inf
        predicted_users = {
            user: predicted_user
            for user, text in zip(every, texts, strict=True)
            if (predicted_user := _value(model, PredictedUser.decode, text)) is not None
        }
        return Known(
            positions.place_of((offset, part)),
            _value(model, VersionIndex.decode, index),
            predicted_users,
            memory["used_memory"] <= FULL * most,
        )

    async def sums(self, model: str, cells: Collection[Cell]) -> dict[Cell, OutcomeSums]:
        """Return the sums of versions and days, without those that it lacks or cannot read."""
        if not cells:
            return {}
        every = sorted(cells)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hmget(_sums(model), [_field(cell) for cell in every])
        (texts,) = await pipeline.execute()
        return {
            cell: sums
            for cell, text in zip(every, texts, strict=True)
            if (sums := _value(model, OutcomeSums.decode, text)) is not None
        }

    async def read(self, model: str, version: str, rule: LabelRule) -> Account:
        """Return the outcomes of a version, of days that no event can change any more."""
        keys = [offset_key(model), stream(model), _sums(model), offsets_key(model)]
        waiting, (seconds, micro), index, through = await self._read(keys=keys, args=[THROUGH])
        now = int(seconds) * 1000 + int(micro) // 1000
        watermark = now if waiting is None else int(waiting.partition(b"-")[0])
        if self._from_kafka:
            watermark = min(watermark, int(through or 0))
        known = _value(model, VersionIndex.decode, index) or VersionIndex(rule.name)
        own = known.versions.get(version)
        if own is None or known.rule != rule.name:
            return Account(watermark / 1000, {}, rule.closes_after)
        cells = [Cell(version, day, own.since) for day in own.days]
        closed = [each for each in cells if known.has(each) and rule.closes(each.day) <= watermark]
        found = await self.sums(model, closed)
        days = {cell.day: sums for cell, sums in found.items()}
        return Account(watermark / 1000, days, rule.closes_after, own.ignored, own.segments)


def commands(model: str, changes: OutcomeChanges, rule: LabelRule) -> list[Command]:
    """Return the commands that write the changes."""
    found: list[Command] = []
    if changes.restarts:
        found.append(("UNLINK", _sums(model)))
    if changes.dropped:
        found.append(("HDEL", _sums(model), *map(_field, changes.dropped)))
    written: list[str | bytes | int] = []
    if changes.index is not None:
        written += ("", changes.index.encode())
    for cell, sums in changes.cells.items():
        written += (_field(cell), sums.encode())
    if written:
        found.append(("HSET", _sums(model), *written))
        found.append(("EXPIRE", _sums(model), KEEP_SECONDS))
    for user, predicted_user in changes.predicted_users.items():
        key = _user(model, user)
        if predicted_user is None:
            found.append(("UNLINK", key))
        else:
            # Positive events alone are settled after `late`.
            kept = rule.keep if predicted_user.cells else rule.late
            found.append(("SET", key, predicted_user.encode(), "PX", kept))
    return found


def forget(model: str, users: Iterable[int]) -> list[Command]:
    """Return the commands that remove users, without what they added to the sums."""
    return [("UNLINK", _user(model, user)) for user in users]


def _value(model: str, decode: Callable[[bytes], Value], text: bytes | None) -> Value | None:
    """Return a value; None if there is none, or if it is damaged."""
    try:
        return None if text is None else decode(text)
    except Damaged as error:
        logger.warning("%s: outcomes: %s; it is left out", model, error)
        return None


def _field(cell: Cell) -> str:
    return f"{cell.version} {cell.day}"


def _sums(model: str) -> str:
    return f"{{{model}}}:outcomes"


def _user(model: str, user: int) -> str:
    return f"{{{model}}}:outcomes:user:{user}"
