"""Experiments in Redis: users, moments, and what they are read for.

All keys of a model share its hash tag:

    {<model>}:experiments                 a hash: id -> last exposure and names of arms
    {<model>}:experiment:<id>             a hash: "<phase>" -> first exposure;
                                          "<phase> <arm>" -> moments
    {<model>}:experiment:<id>:users       a hash: user -> what the user was shown, and did
    {<model>}:experiment:early:<user>     acts of a user that no experiment has seen yet
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson
from redis.asyncio import Redis

from recommender_collector.domain.experiments import (
    KEEP_SECONDS,
    Changes,
    Experiment,
    Known,
    Spans,
)
from recommender_collector.domain.moments import Moments
from recommender_collector.domain.participants import Act, Participant, acts_of, flat
from recommender_collector.log.port import START
from recommender_collector.log.redis_log import stream
from recommender_collector.store.users import Command, offset_key
from recommender_serving.store.layout import Set, key

FIELDS = 500  # of a command, most

#: Reads an experiment at one moment. KEYS: the offset, the stream, the list of experiments, the
#: moments. ARGV: the id. Returns the oldest record that the writer has not applied, or none; the
#: time; the entry of the list, or none; the moments.
READ = """
local offset = redis.call('GET', KEYS[1]) or '0-0'
local next = redis.call('XRANGE', KEYS[2], '(' .. offset, '+', 'COUNT', 1)
local entry = redis.call('HGET', KEYS[3], ARGV[1])
return {next[1] and next[1][1] or false, redis.call('TIME'), entry, redis.call('HGETALL', KEYS[4])}
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An experiment at one moment."""

    watermark: float  # every event acknowledged before it counts; seconds since 1970
    since: Mapping[int, int]  # first exposure by phase, milliseconds
    moments: Mapping[int, Mapping[str, Moments]]  # by phase and arm


@dataclass(frozen=True, slots=True)
class Rest:
    """What is read of the store when the changed phases are known."""

    moments: dict[tuple[str, int, str], Moments]
    since: dict[tuple[str, int], int]
    recent: dict[int, dict[bytes, int]]  # interactions by user, with their time
    early: dict[int, list[Act]]  # by user


class ExperimentStore:
    """The experiments of all models."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._read = redis.register_script(READ)

    async def start(self, model: str) -> tuple[str, dict[str, Experiment]]:
        """Return the writer's offset, and the experiments at this offset."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.get(offset_key(model))
        pipeline.hgetall(_list(model))
        offset, found = await pipeline.execute()
        experiments = {name.decode(): _experiment(text) for name, text in found.items()}
        return offset.decode() if offset else START, experiments

    async def known(
        self, model: str, offset: str, names: Sequence[str], users: Collection[int]
    ) -> Known | None:
        """Return what is known of users in experiments at an offset.

        None: another writer has moved the offset.
        """
        known = Known()
        every = list(users)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.get(offset_key(model))
        for name in names:
            pipeline.hmget(_users(model, name), every)
            pipeline.hlen(_users(model, name))
        there, *found = await pipeline.execute()
        if (there.decode() if there else START) != offset:
            return None
        for index, name in enumerate(names):
            known.users[name] = found[2 * index + 1]
            for user, text in zip(every, found[2 * index], strict=True):
                if text is not None:
                    known.participants[name, user] = Participant.decode(text)
        return known

    async def rest(
        self,
        model: str,
        phases: Iterable[tuple[str, int]],
        experiments: Mapping[str, Experiment],
        users: Collection[int],
        waiting: Collection[int],
    ) -> Rest:
        """Return the moments of phases, the interactions of users, and early acts of others."""
        wanted = [
            (name, phase, ["", *experiments[name].arms])
            for name, phase in phases
            if name in experiments
        ]
        rest = Rest({}, {}, {}, {})
        pipeline = self._redis.pipeline(transaction=False)
        for name, phase, arms in wanted:
            pipeline.hmget(_moments(model, name), [_field(phase, arm) for arm in arms])
        for user in users:
            pipeline.zrange(key(model, user, Set.RECENT), 0, -1, withscores=True)
        if waiting:
            pipeline.mget([_early(model, user) for user in waiting])
        found = await pipeline.execute()
        early = found.pop() if waiting else []
        for (name, phase, arms), (since, *texts) in zip(wanted, found, strict=False):
            if since is not None:
                rest.since[name, phase] = int(since)
            for arm, text in zip(arms[1:], texts, strict=True):
                if text is not None:
                    rest.moments[name, phase, arm] = Moments.decode(text)
        for user, members in zip(users, found[len(wanted) :], strict=True):
            rest.recent[user] = {member: int(score) for member, score in members}
        for user, text in zip(waiting, early, strict=True):
            if text is not None:
                base, numbers = orjson.loads(text)
                rest.early[user] = acts_of(numbers, base)
        return rest

    async def read(self, model: str, name: str) -> Account:
        """Return the moments of an experiment; those of an unknown one are empty."""
        keys = [offset_key(model), stream(model), _list(model), _moments(model, name)]
        waiting, (seconds, micro), entry, found = await self._read(keys=keys, args=[name])
        if waiting is None:
            watermark = int(seconds) + int(micro) // 1000 / 1000
        else:
            watermark = int(waiting.partition(b"-")[0]) / 1000
        since: dict[int, int] = {}
        moments: dict[int, dict[str, Moments]] = {}
        if entry is not None:
            for field, text in zip(found[::2], found[1::2], strict=True):
                phase, _, arm = field.decode().partition(" ")
                if arm:
                    moments.setdefault(int(phase), {})[arm] = Moments.decode(text)
                else:
                    since[int(phase)] = int(text)
        return Account(watermark, since, moments)


def commands(model: str, changes: Changes, spans: Spans) -> list[Command]:
    """Return the commands that write the changes."""
    found: list[Command] = []
    for name in sorted(changes.dropped):
        found.append(("UNLINK", _moments(model, name), _users(model, name)))
        found.append(("HDEL", _list(model), name))
    written: dict[str, list[str | bytes | int]] = {}
    for (name, user), participant in changes.participants.items():
        if participant is None:
            found.append(("HDEL", _users(model, name), user))
        else:
            written.setdefault(_users(model, name), []).extend((user, participant.encode()))
    for (name, phase, arm), moments in changes.moments.items():
        written.setdefault(_moments(model, name), []).extend(
            (_field(phase, arm), moments.encode())
        )
    for (name, phase), since in changes.since.items():
        written.setdefault(_moments(model, name), []).extend((_field(phase), since))
    for name, each in changes.experiments.items():
        text = orjson.dumps((each.last, each.arms))
        written.setdefault(_list(model), []).extend((name, text))
    for key_, words in written.items():
        most = 2 * FIELDS
        found += [("HSET", key_, *words[i : i + most]) for i in range(0, len(words), most)]
        found.append(("EXPIRE", key_, KEEP_SECONDS))
    for user, early in changes.early.items():
        found.append(_early_command(model, user, early, spans))
    return found


def _early_command(model: str, user: int, early: Sequence[Act], spans: Spans) -> Command:
    if not early:
        return ("UNLINK", _early(model, user))
    base = early[0].time
    return ("SET", _early(model, user), orjson.dumps((base, flat(early, base))), "PX", spans.late)


def _experiment(text: bytes) -> Experiment:
    last, arms = orjson.loads(text)
    return Experiment(last, arms)


def _field(phase: int, arm: str = "") -> str:
    """Return the field of an arm, whose name has no space; without one, that of `since`."""
    return f"{phase} {arm}" if arm else str(phase)


def _list(model: str) -> str:
    return f"{{{model}}}:experiments"


def _moments(model: str, name: str) -> str:
    return f"{{{model}}}:experiment:{name}"


def _users(model: str, name: str) -> str:
    return f"{{{model}}}:experiment:{name}:users"


def _early(model: str, user: int) -> str:
    return f"{{{model}}}:experiment:early:{user}"
