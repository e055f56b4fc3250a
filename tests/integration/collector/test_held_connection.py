"""The connection of appends to a real Redis that hangs, restarts and closes connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, ConnectionError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from recommender_collector.log import held_connection
from recommender_collector.log.held_connection import HeldConnection
from tests import redis_server
from tests.redis_server import RedisServer


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[Redis]:
    made: Redis = Redis.from_url(server.url, socket_timeout=60)
    yield made
    await made.aclose()


@pytest.fixture
def held(client: Redis) -> HeldConnection:
    return HeldConnection(client.connection_pool)


@contextlib.contextmanager
def impatient(held: HeldConnection) -> Iterator[None]:
    """Let commands of the block fail soon; the others have time on a busy machine."""
    before, held._seconds = held._seconds, 0.3
    try:
        yield
    finally:
        held._seconds = before


def _tell(held: HeldConnection, written: asyncio.Event) -> None:
    """Set the event as soon as bytes were given to the transport."""
    connection: Any = held._connection
    transport = connection._writer.transport
    real = transport.write

    def write(data: bytes) -> None:
        real(data)
        written.set()

    transport.write = write


async def _number(redis: Redis) -> int:
    """How many connections the store has had."""
    return int((await redis.info("stats"))["total_connections_received"])


async def test_commands_share_one_connection_also_when_they_come_at_once(
    held: HeldConnection, redis: Redis
) -> None:
    await held.call("PING")
    before = await _number(redis)
    found = await asyncio.gather(*(held.call("ECHO", str(number)) for number in range(50)))
    assert found == [b"%d" % number for number in range(50)]
    assert await _number(redis) == before


async def test_a_store_that_hangs_fails_the_command_in_time_and_confuses_no_later_one(
    held: HeldConnection, server: RedisServer
) -> None:
    await held.call("PING")
    with server.hanging(), impatient(held):
        with pytest.raises(TimeoutError):
            await held.call("ECHO", "first")
        with pytest.raises((TimeoutError, RedisTimeout)):
            await held.call("ECHO", "second")
    assert await held.call("ECHO", "third") == b"third"


async def test_a_command_that_is_cancelled_leaves_its_reply_to_nobody(
    held: HeldConnection, server: RedisServer
) -> None:
    await held.call("PING")
    with server.hanging():
        written = asyncio.Event()
        _tell(held, written)
        cancelled = asyncio.create_task(held.call("ECHO", "first"))
        await asyncio.wait_for(written.wait(), 60)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    assert await held.call("ECHO", "second") == b"second"


async def test_a_connection_that_the_store_closed_in_a_pause_is_replaced_unnoticed(
    held: HeldConnection, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_connection, "PAUSE_SECONDS", 0.0)
    await held.call("PING")
    await redis.client_kill_filter(_type="normal", skipme=True)
    assert await held.call("ECHO", "again") == b"again"


async def test_a_connection_that_breaks_under_way_fails_one_command(
    held: HeldConnection, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_connection, "PAUSE_SECONDS", 60.0)
    await held.call("PING")
    await redis.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(ConnectionError):
        await held.call("ECHO", "lost")
    assert await held.call("ECHO", "again") == b"again"


async def test_a_refused_command_keeps_the_connection(held: HeldConnection, redis: Redis) -> None:
    await held.call("PING")
    before = await _number(redis)
    with pytest.raises(ResponseError, match="unknown command"):
        await held.call("NONSENSE")
    assert await held.call("PING") == b"PONG"
    assert await _number(redis) == before


async def test_password_and_database_are_those_of_the_client(tmp_path: Path) -> None:
    with redis_server.running(tmp_path, "--requirepass", "secret") as server:
        url = server.url.removesuffix("0") + "3"
        right: Redis = Redis.from_url(url, password="secret")
        wrong: Redis = Redis.from_url(url, password="guess")
        await HeldConnection(right.connection_pool).call("SET", "key", "value")
        assert await right.get("key") == b"value"
        assert (await right.info("keyspace"))["db3"]["keys"] == 1
        with pytest.raises(AuthenticationError):
            await HeldConnection(wrong.connection_pool).call("PING")
        await right.aclose()
        await wrong.aclose()


async def test_the_client_closes_it_with_its_other_connections(
    held: HeldConnection, client: Redis, redis: Redis
) -> None:
    await held.call("CLIENT SETNAME", "held")
    assert "held" in {each["name"] for each in await redis.client_list()}
    await client.aclose()
    async with asyncio.timeout(60):
        while "held" in {each["name"] for each in await redis.client_list()}:
            await asyncio.sleep(0.01)
