"""A look into the store is brief, and yet a connection that takes longer comes about."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from recommender_contract.online_store import Set, key
from recommender_serving.domain.types import Lookup, RecommendRequest
from recommender_serving.ranking.user_history import History
from recommender_serving.store.user_reader import READS, StoreError, UserReader
from tests.redis_server import RedisServer

BUDGET = 0.05
CONNECTING = 4 * BUDGET
REQUEST = RecommendRequest(user_id=7, timestamp=2, top_n=10)


@contextlib.asynccontextmanager
async def distant(port: int) -> AsyncIterator[str]:
    """A path to a server on which the first byte of each connection is late."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65_536):
                writer.write(part)
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(CONNECTING)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, there_writer), pipe(there_reader, writer))
        for each in (writer, there_writer):
            with contextlib.suppress(ConnectionError):
                await each.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        paths.append(asyncio.create_task(connect(reader, writer)))

    paths: list[asyncio.Task[None]] = []
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    await asyncio.gather(*paths)  # they end with their clients


async def test_a_connection_that_takes_longer_than_a_look_serves_later_looks(
    redis: Redis, server: RedisServer
) -> None:
    await redis.zadd(key("shop", 7, Set.RECENT), {"5 1 n": 1})
    counts: Counter[Lookup] = Counter()
    async with distant(server.port) as url:
        users = UserReader(url, "shop")
        history = History(users, lambda outcome: counts.update([outcome]), 20, budget=BUDGET)
        async with asyncio.timeout(60):
            assert await history.complete(REQUEST) is REQUEST, "no answer waits for it"
            while not (await history.complete(REQUEST)).session:
                await asyncio.sleep(0)
        await users.close()
    assert counts[Lookup.TIMEOUT] > 0
    assert counts[Lookup.FOUND] == 1


async def test_a_store_that_hangs_has_a_bounded_number_of_reads_and_is_read_again_after(
    redis: Redis, server: RedisServer
) -> None:
    await redis.zadd(key("shop", 7, Set.RECENT), {"5 1 n": 1})
    users = UserReader(server.url, "shop")
    os.kill(server.pid, signal.SIGSTOP)
    try:
        readers = [asyncio.create_task(users.read(7)) for _ in range(READS)]
        await asyncio.sleep(0)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        with pytest.raises(StoreError, match="not answered"):
            await users.read(7)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(StoreError):
                assert [event.item for event in (await users.read(7)).recent] == [5]
                break
            await asyncio.sleep(0.01)
    await users.close()
