"""The store that the chart installs, with its very arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.asyncio import Redis

from recommender_collector.log import durability
from tests.chart_collector import DEFAULTS, EVERYTHING, container, manifests, named
from tests.redis_server import RedisServer


@pytest.mark.parametrize("is_locked", [False, True])
async def test_the_embedded_store_is_durable(tmp_path: Path, is_locked: bool) -> None:
    found = manifests(EVERYTHING if is_locked else DEFAULTS)
    arguments = container(named(found, "StatefulSet", "store"))["args"]
    for name in ("--dir", "--port"):  # the rig has its own
        at = arguments.index(name)
        del arguments[at : at + 2]
    arguments = [each.replace("$(STORE_PASSWORD)", "pa55") for each in arguments]
    server = RedisServer(tmp_path, *arguments)
    server.start()
    client: Redis = Redis.from_url(server.url, password="pa55" if is_locked else None)
    try:
        await durability.check(client)
        memory = await client.info("memory")
        assert memory["maxmemory"] == 512 * 1024 * 1024
    finally:
        await client.aclose()
        server.stop()
