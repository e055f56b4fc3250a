"""Experiments in Redis: users, moments, and what they are read for.

All keys of a model share its hash tag:

    {<model>}:experiments                 a hash: id -> last exposure, names of arms, number of
                                          users, and whether exposures count
    {<model>}:experiment:<id>             a hash: "<phase>" -> first exposure;
                                          "<phase> <arm>" -> moments;
                                          "<phase> <arm> days" -> those of first and later days;
                                          "<phase> <arm> <feature> <place>" -> those of a segment
    {<model>}:experiment:<id>:users       a hash: user -> what the user was shown, and did
    {<model>}:experiment:early:<user>     acts of a user that no experiment has seen yet
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from redis.asyncio import Redis

from recommender_collector.domain.formats import FORMAT, Damaged
from recommender_collector.experiments.experiment import (
    KEEP_SECONDS,
    MOST_USERS,
    Experiment,
    ExperimentChanges,
    KnownUsers,
    Spans,
    State,
)
from recommender_collector.experiments.moments import Moments
from recommender_collector.experiments.phase_exposure import Act, flat
from recommender_collector.experiments.registry import has_room
from recommender_collector.experiments.subject import Subject
from recommender_collector.log import positions
from recommender_collector.log.positions import offset_key
from recommender_collector.log.redis_log import stream
from recommender_collector.log.relayed_log import THROUGH, offsets_key
from recommender_collector.store.decoding import (
    early_acts,
    experiment_of,
    moments_of,
    number_of,
    replies,
    value_of,
)
from recommender_collector.store.read_script import ReadScript
from recommender_collector.store.user_store import Command
from recommender_contract.online_store import Set, key

FIELDS = 500  # of a command, most
#: Share of the store's memory above which experiments take no more users; below the one above
#: which appends wait, so that experiments do not stop events.
FULL = 0.7
#: The same for the measure of a holdout, which lasts for months: it must leave room for
#: experiments, and for outcomes of predictions.
FULL_OF_MEASURES = 0.5

#: Reads an experiment at one moment. KEYS: the offset, the stream, the list of experiments, the
#: moments, the offsets of Kafka. Returns the oldest record that the writer has not applied, or
#: none; the time; the list; the moments; the time through which events of Kafka are applied.
READ = """
local offset = redis.call('GET', KEYS[1]) or '0-0'
local next = redis.call('XRANGE', KEYS[2], '(' .. offset, '+', 'COUNT', 1)
local list = redis.call('HGETALL', KEYS[3])
local moments, through = redis.call('HGETALL', KEYS[4]), redis.call('HGET', KEYS[5], ARGV[1])
return {next[1] and next[1][1] or false, redis.call('TIME'), list, moments, through}
"""

#: A transaction would be refused above `maxmemory`, and what waits in the log never be applied.
#:
#: KEYS: the offset, the part, the list of experiments. Returns the values of all.
START = """
return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), redis.call('HGETALL', KEYS[3])}
"""
#: KEYS: the offset, the part, the users of experiments. ARGV: users. Returns the values of the
#: first two, and what each of the others has of the users.
KNOWN = """
local found = {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}
for i = 3, #KEYS do found[i] = redis.pcall('HMGET', KEYS[i], unpack(ARGV)) end
return found
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An experiment at one moment."""

    watermark: float  # every event acknowledged before it counts; seconds since 1970
    since: Mapping[int, int]  # first exposure by phase, milliseconds
    moments: Mapping[int, Mapping[str, Moments]]  # by phase and cell
    ignored: bool = False  # new impressions of it do not count
    segments: Mapping[str, Sequence[str]] = field(default_factory=dict)  # values by feature


@dataclass(frozen=True, slots=True)
class Rest:
    """Values that are read of the store when the changed phases are known."""

    moments: dict[tuple[str, int, str], Moments]
    since: dict[tuple[str, int], int]
    recent: dict[int, dict[bytes, int]]  # interactions by user, with their time
    early: dict[int, list[Act]]  # by user; none of those that are damaged


class ExperimentStore:
    """The experiments of all models. With `from_kafka`, events are acknowledged by Kafka."""

    def __init__(self, redis: Redis, *, from_kafka: bool = False) -> None:
        self._redis = redis
        self._from_kafka = from_kafka
        self._read = ReadScript(redis, READ)
        self._start, self._known = redis.register_script(START), redis.register_script(KNOWN)

    async def start(self, model: str) -> tuple[str, dict[str, Experiment]]:
        """Return the writer's place in the log, and the experiments there."""
        offset, part, found = await self._start(keys=[*positions.keys(model), _list(model)])
        pairs = zip(found[::2], found[1::2], strict=True)
        experiments = {name.decode(): experiment_of(text) for name, text in pairs}
        return positions.place_of((offset, part)), experiments

    async def known(
        self, model: str, place: str, names: Sequence[str], users: Collection[int]
    ) -> KnownUsers | None:
        """Return the state of users in experiments at a place in the log.

        None: another writer is at another place.

        Raises:
            Damaged: a user of the experiment that it names is.
        """
        known = KnownUsers()
        every = list(users)
        memory = await self._redis.info("memory")
        keys = [*positions.keys(model), *(_users(model, name) for name in names)]
        offset, part, *found = replies(await self._known(keys=keys, args=every), names, 2)
        if positions.place_of((offset, part)) != place:
            return None
        known.full, known.tight = _is_above(memory, FULL), _is_above(memory, FULL_OF_MEASURES)
        for name, texts in zip(names, found, strict=True):
            for user, text in zip(every, texts, strict=True):
                if text is not None:
                    known.subjects[name, user] = value_of(name, Subject.decode, text)
        return known

    async def rest(
        self,
        model: str,
        phases: Iterable[tuple[str, int]],
        experiments: Mapping[str, Experiment],
        users: Collection[int],
        waiting: Collection[int],
    ) -> Rest:
        """Return the moments of phases, the interactions of users, and early acts of others.

        Raises:
            Damaged: the moments of the experiment that it names are.
        """
        wanted = [
            (name, phase, ["", *experiments[name].cells()])
            for name, phase in phases
            if name in experiments
        ]
        rest = Rest({}, {}, {}, {})
        pipeline = self._redis.pipeline(transaction=False)
        for name, phase, cells in wanted:
            pipeline.hmget(_moments(model, name), [_field(phase, cell) for cell in cells])
        for user in users:
            pipeline.zrange(key(model, user, Set.RECENT), 0, -1, withscores=True)
        if waiting:
            pipeline.mget([_early(model, user) for user in waiting])
        named = [name for name, _, _ in wanted]
        found = replies(await pipeline.execute(raise_on_error=False), named)
        early = found.pop() if waiting else []
        for (name, phase, cells), (since, *texts) in zip(wanted, found, strict=False):
            if since is not None:
                rest.since[name, phase] = value_of(name, number_of, since)
            for cell, text in zip(cells[1:], texts, strict=True):
                if text is not None:
                    rest.moments[name, phase, cell] = value_of(name, Moments.decode, text)
        for user, members in zip(users, found[len(wanted) :], strict=True):
            rest.recent[user] = {member: int(score) for member, score in members}
        for user, text in zip(waiting, early, strict=True):
            if text is not None:
                rest.early[user] = early_acts(model, text)
        return rest

    async def read(
        self, model: str, name: str, spans: Spans, *, is_measure: bool = False
    ) -> Account:
        """Return the moments of an experiment; those of an unknown one are empty.

        `is_measure`: of an unknown one, whether it is the measure of a holdout.

        Raises:
            Damaged: what the store has of it is, or was.
        """
        keys = [offset_key(model), stream(model), _list(model), _moments(model, name)]
        waiting, (seconds, micro), listed, found, through = await self._read(
            keys=[*keys, offsets_key(model)], args=[THROUGH]
        )
        now = int(seconds) * 1000 + int(micro) // 1000
        watermark = now if waiting is None else int(waiting.partition(b"-")[0])
        if self._from_kafka:
            watermark = min(watermark, int(through or 0))
        pairs = zip(listed[::2], listed[1::2], strict=True)
        experiments = {each.decode(): experiment_of(text) for each, text in pairs}
        entry = experiments.get(name)
        if entry is None:
            has_place = has_room(experiments, now, spans, is_measure=is_measure)
            return Account(watermark / 1000, {}, {}, not has_place)
        if entry.state in (State.BROKEN, State.DAMAGED):
            raise Damaged("what the store had of it could not be read, and no longer counts", name)
        ignored = not entry.counts
        if entry.gets_users and not ignored:
            memory = await self._redis.info("memory")
            ignored = entry.users >= MOST_USERS or _is_above(memory, FULL_OF_MEASURES)
        return Account(watermark / 1000, *moments_of(name, found), ignored, entry.segments)


def _is_above(memory: Mapping[str, int], share: float) -> bool:
    """Return whether more than a share of the memory that the store may have is used."""
    return memory["used_memory"] > share * (memory.get("maxmemory", 0) or math.inf)


def commands(model: str, changes: ExperimentChanges, spans: Spans) -> list[Command]:
    """Return the commands that write the changes."""
    found = _removals(model, changes)
    written: dict[str, list[str | bytes | int]] = {}
    for (name, user), subject in changes.subjects.items():
        if subject is None:
            found.append(("HDEL", _users(model, name), user))
        else:
            written.setdefault(_users(model, name), []).extend((user, subject.encode()))
    for (name, phase, cell), moments in changes.moments.items():
        written.setdefault(_moments(model, name), []).extend(
            (_field(phase, cell), moments.encode())
        )
    for (name, phase), since in changes.since.items():
        written.setdefault(_moments(model, name), []).extend((_field(phase), since))
    for name, each in changes.experiments.items():
        written.setdefault(_list(model), []).extend((name, each.encode()))
    for key_, words in written.items():
        most = 2 * FIELDS
        found += [("HSET", key_, *words[i : i + most]) for i in range(0, len(words), most)]
        found.append(("EXPIRE", key_, KEEP_SECONDS))
    for user, early in changes.early.items():
        found.append(_early_command(model, user, early, spans))
    return found


def _removals(model: str, changes: ExperimentChanges) -> list[Command]:
    lists = [("HDEL", _list(model), name) for name in sorted(changes.dropped)]
    moments = sorted(changes.dropped | changes.damaged)
    users = sorted(changes.dropped | changes.damaged | changes.closed)
    keys = [_moments(model, name) for name in moments] + [_users(model, name) for name in users]
    return [*lists, *(("UNLINK", each) for each in keys)]


def _early_command(model: str, user: int, early: Sequence[Act], spans: Spans) -> Command:
    if not early:
        return ("UNLINK", _early(model, user))
    base = early[0].time
    text = orjson.dumps((FORMAT, base, flat(early, base)))
    return ("SET", _early(model, user), text, "PX", spans.late)


def _field(phase: int, cell: str = "") -> str:
    """Return the field of a cell, whose name starts with its arm; without one, of `since`."""
    return f"{phase} {cell}" if cell else str(phase)


def _list(model: str) -> str:
    return f"{{{model}}}:experiments"


def _moments(model: str, name: str) -> str:
    return f"{{{model}}}:experiment:{name}"


def _users(model: str, name: str) -> str:
    return f"{{{model}}}:experiment:{name}:users"


def _early(model: str, user: int) -> str:
    return f"{{{model}}}:experiment:early:{user}"
