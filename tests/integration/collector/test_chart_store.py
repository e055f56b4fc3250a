"""The store that the chart installs, with its very arguments, users and rights."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, ConnectionError, NoPermissionError

from recommender_collector.domain.declaration import Model, parse_declaration
from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.domain.popularity_trends import Gain
from recommender_collector.domain.store_updates import StoreUpdate
from recommender_collector.experiments.experiment import Spans
from recommender_collector.log import durability
from recommender_collector.log.event_log import START
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.log.relayed_log import Relayed
from recommender_collector.outcomes.predictions import Cell, LabelRule
from recommender_collector.store.erasure_store import ErasureStore, Report
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.outcome_store import OutcomeStore
from recommender_collector.store.redis_acl import COMMANDS, READER, Role
from recommender_collector.store.user_store import OnlineStore
from recommender_contract.events import Kind
from recommender_contract.online_store import ALL, Hide, Set, member
from recommender_serving.domain.types import SessionEvent
from recommender_serving.store.trend_reader import TrendReader
from recommender_serving.store.user_reader import StoreError, UserReader
from tests.collector_rig import MAPPING
from tests.integration.collector.chart_store import ChartStore, care

AGES = {"shop": 86_400, "news": 86_400}
USERS = ("collector", "writer", "probe", "reader-shop")
RULE = LabelRule(frozenset({Kind.PURCHASE}), window=3_600_000, late=3_600_000)


def _model() -> Model:
    return parse_declaration(orjson.dumps({"models": {"shop": {"mapping": MAPPING}}})).models[
        "shop"
    ]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChartStore]:
    found = ChartStore(tmp_path)
    found.server.start()
    yield found
    found.server.stop()


@contextlib.asynccontextmanager
async def as_user(store: ChartStore, user: str) -> AsyncIterator[Redis]:
    client = store.client(user)
    try:
        yield client
    finally:
        await client.aclose()


@contextlib.asynccontextmanager
async def as_admin(store: ChartStore) -> AsyncIterator[Redis]:
    client = store.admin()
    try:
        yield client
    finally:
        await client.aclose()


def lines(*ids: str) -> Lines:
    now = int(time.time())
    return Lines.of(
        Line(digest(id_), line_of(Event(id_, Kind.CLICK, "ada", ("tea",), now))) for id_ in ids
    )


async def _collect(redis: Redis, model: str) -> None:
    """All that a collector does in the store."""
    await durability.check_durability(redis)
    await redis.get("recommender")
    await redis.ping()  # type: ignore[misc]
    log = RedisLog(redis, AGES)
    for _ in range(2):
        await log.append(model, lines("a", "b"))
    await log.append_erasure(model, b'[1,"erase","ada"]')
    await log.backlog()
    await OnlineStore(redis, 86_400).forget(model, 9)
    await ExperimentStore(redis, from_kafka=True).read(model, "a1b2c3d4", Spans.of_model(_model()))
    await OutcomeStore(redis, from_kafka=True).read(model, "v1", RULE)
    await OutcomeStore(redis).sums(model, [Cell("v1", 1, 1)])
    await ErasureStore(redis).read(model)


async def _write(redis: Redis, model: str) -> None:
    """All that the writer does in the store; the relay of Kafka is one."""
    await durability.check_durability(redis)
    await redis.ping()  # type: ignore[misc]
    log, online = RedisLog(redis, AGES), OnlineStore(redis, 86_400)
    relayed = Relayed(redis, AGES)
    await relayed.look()
    await relayed.offsets(model, "t", "an-id")
    await relayed.append(model, "t 0", None, 2, 1_000, lines("c", "d"))
    (record, *_) = await log.read(model, START, 9, 0.01)
    now = int(time.time() * 1000)
    effects = [StoreUpdate(1, each, "7", now) for each in Set if each is not Set.RECENT]
    effects.append(StoreUpdate(1, Set.RECENT, member(7, 3.0, "click", now), now))
    gains = [Gain(segment, 7, 1.5) for segment in (ALL, *(f"s{n}" for n in range(66)))]
    commands: list[Any] = [
        ("HSET", f"{{{model}}}:experiments", "x", "1"),
        ("HSET", f"{{{model}}}:outcomes", "", "1"),
        ("EXPIRE", f"{{{model}}}:experiments", 9),
        ("HDEL", f"{{{model}}}:experiments", "x"),
        ("SET", f"{{{model}}}:experiment:early:1", "1", "PX", 9),
        ("UNLINK", f"{{{model}}}:outcomes"),
    ]
    before = await online.offset(model)
    assert await online.apply(model, effects, before, record.offset, [9], gains, commands)
    await redis.unlink(f"{{{model}}}:trending:s1")  # a segment whose items are forgotten
    late = [Gain("one-more", 7, 1.5)]
    assert await online.apply(model, [], record.offset, record.offset, gains=late)
    await relayed.mark(model, 5)
    known = ExperimentStore(redis)
    offset, _ = await known.start(model)
    await known.known(model, offset, ["x"], [1])
    await known.rest(model, [], {}, [1], [1])
    await OutcomeStore(redis).known(model, [1])
    await OutcomeStore(redis).sums(model, [Cell("v1", 1, 1)])
    await ErasureStore(redis).put(model, Report(1))
    await ErasureStore(redis).rewritten([model], 1)
    await log.trim(model, record.offset)
    await log.backlog()
    assert await log.read(model, f"{now}-0", 9, 0.01) == []
    await care(redis, AGES)


async def _read(store: ChartStore, model: str) -> None:
    """All that a transformer does in the store."""
    access = store.access(f"reader-{model}")
    users = UserReader(access.url, model, access.options, tuple(Hide))
    trends = TrendReader(access.url, model, access.options)
    try:
        found = await users.read(1)
        assert [each.item for each in found.recent] == [7]
        assert (await trends.read()).overall.keys() == {7}
    finally:
        await users.close()
        await trends.close()


@pytest.mark.parametrize("tls", [False, True])
async def test_each_role_does_all_its_work_and_has_no_right_that_nothing_uses(
    tmp_path: Path, *, tls: bool
) -> None:
    store = ChartStore(tmp_path, tls=tls)
    store.server.start()
    try:
        async with (
            as_user(store, "collector") as collector,
            as_user(store, "writer") as writer,
            as_user(store, "probe") as probe,
            as_admin(store) as admin,
        ):
            await _collect(collector, "shop")
            await _write(writer, "shop")
            await _read(store, "shop")
            assert (await probe.info("memory"))["maxmemory"] == 512 * 1024 * 1024
            for words in (
                ("CONFIG", "GET", "maxmemory"), ("CLIENT", "LIST"), ("CLIENT", "SETNAME", "x"),
                ("LATENCY", "LATEST"), ("SLOWLOG", "GET"), ("SLOWLOG", "LEN"),
            ):  # fmt: skip
                await probe.execute_command(*words)  # type: ignore[no-untyped-call]
            refused = await admin.acl_log()
            assert not refused, [(each["username"], each["object"]) for each in refused]
            used = {name.removeprefix("cmdstat_") for name in await admin.info("commandstats")}
            granted = {"unlink"} | {each for role in Role for each in COMMANDS[role]} | set(READER)
            assert granted <= used, f"nothing uses {sorted(granted - used)}"
    finally:
        store.server.stop()


#: What would end, empty or open the store; for nobody.
RUINOUS = (
    "FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG SET appendfsync no", "CONFIG REWRITE",
    "SCRIPT FLUSH", "SHUTDOWN NOSAVE", "ACL LIST", "ACL SETUSER x on nopass",
    "REPLICAOF 127.0.0.1 1", "SWAPDB 0 1", "MONITOR", "MODULE LIST", "CLIENT KILL ID 1",
    "EVAL return(1) 0", "FUNCTION FLUSH", "RENAME {shop}:events x", "DUMP {shop}:events",
)  # fmt: skip
REFUSED = {
    "collector": (
        "ZRANGE {shop}:user:1:bought 0 -1", "SET {shop}:store:offset 1-0", "GET other",
        "XTRIM {shop}:events MAXLEN 0", "UNLINK {shop}:events:x", "HSET {shop}:experiments x 1",
        "UNLINK {shop}:experiments", "UNLINK {shop}:events", "SADD {shop}:user:1:seen 1", "SCAN 0",
    ),
    "writer": ("GET other", "SET other 1", "UNLINK other"),
    "probe": ("SCAN 0", "GET {shop}:store:offset", "ZRANGE {shop}:user:1:bought 0 -1"),
    "reader-shop": (
        "ZRANGE {news}:user:1:bought 0 -1", "SMEMBERS {news}:trending", "GET {shop}:store:offset",
        "ZADD {shop}:user:1:bought 1 7", "UNLINK {shop}:user:1:bought", "XRANGE {shop}:events - +",
        "ZRANGE {shop}:users 0 -1", "SMEMBERS {shop}:ids:1", "INFO", "CONFIG GET maxmemory",
        "HGETALL {shop}:experiments", "SCAN 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("user", USERS)
async def test_a_role_can_do_nothing_else(user: str, store: ChartStore) -> None:
    async with as_user(store, user) as client:
        for text in (*RUINOUS, *REFUSED[user]):
            words = text.replace("return(1)", "return\t1").split(" ")
            with pytest.raises(NoPermissionError):
                await client.execute_command(*words)  # type: ignore[no-untyped-call]


async def test_nobody_connects_without_a_password(store: ChartStore) -> None:
    other: tuple[dict[str, Any], ...] = (
        {"username": "default", "password": ""},
        {"username": "writer", "password": "x" * 40},
    )
    for options in ({}, *other):
        client: Redis = Redis.from_url(store.server.url, **options)
        try:
            with pytest.raises(AuthenticationError):
                await client.get("{shop}:store:offset")
        finally:
            await client.aclose()


async def test_transactions_survive_a_restart_although_nobody_is_the_default_user(
    store: ChartStore,
) -> None:
    async with as_user(store, "writer") as writer:
        await writer.hset("{shop}:experiments", "x", "1")  # type: ignore[misc]
        commands: list[Any] = [("HSET", "{shop}:experiments", "y", "2")]
        online = OnlineStore(writer, 86_400)  # whose script is a transaction in the file
        assert await online.apply("shop", [], START, "5-0", commands=commands)
    store.server.kill()
    store.server.start()
    async with as_user(store, "writer") as writer:
        assert await writer.get("{shop}:store:offset") == b"5-0"
        assert await writer.hgetall("{shop}:experiments") == {b"x": b"1", b"y": b"2"}  # type: ignore[misc]


async def test_a_password_changes_without_a_restart_of_the_transformer(store: ChartStore) -> None:
    async with as_user(store, "writer") as writer:
        event = StoreUpdate(1, Set.RECENT, member(7, 3.0, "click", 1000), 1000)
        assert await OnlineStore(writer, 86_400).apply("shop", [event], START, "1-0")
    path = store.passwords / "reader-shop"
    old, new = path.read_text(), "another-password-of-the-reader"
    access = store.access("reader-shop")
    users = UserReader(access.url, "shop", access.options)
    try:
        expected = (SessionEvent(7, 1, 3.0),)
        assert (await users.read(1)).recent == expected
        # Both are right while the parts learn of the change.
        for text in (f"{old}\n{new}\n", f"{new}\n"):
            path.write_text(text)
            store.write_users()
            await _restarted(store, users)
            assert (await users.read(1)).recent == expected
        path.write_text(f"{old}\n")
        await _restarted(store, users)
        with pytest.raises(StoreError, match="AuthenticationError"):
            await users.read(1)
        path.unlink()
        with pytest.raises(StoreError, match="cannot be read"):
            await users.read(1)
    finally:
        await users.close()


async def _restarted(store: ChartStore, users: UserReader) -> None:
    """Restart the store; the first read finds that its connection is closed."""
    store.server.stop()
    store.server.start()
    with pytest.raises(StoreError, match="closed"):
        await users.read(1)


async def test_a_store_whose_certificate_is_not_trusted_is_not_used(tmp_path: Path) -> None:
    store = ChartStore(tmp_path, tls=True)
    store.server.start()
    try:
        client: Redis = Redis.from_url(store.server.url, username="writer", password="x")
        with pytest.raises(ConnectionError):
            await client.ping()  # type: ignore[misc]
        await client.aclose()
    finally:
        store.server.stop()
