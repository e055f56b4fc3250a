"""A real Redis for the tests of the collector."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests import redis_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[redis_server.RedisServer]:
    with redis_server.running(tmp_path) as running:
        yield running


@pytest.fixture
async def redis(server: redis_server.RedisServer) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(server.url)
    yield client
    await client.aclose()
