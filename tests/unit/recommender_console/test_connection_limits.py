"""Connections are limited in number and in patience."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from recommender_console.site import app
from recommender_console.site.connection_limits import Guard
from tests.unit.recommender_console.console_fakes import FakeCluster

ASKED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@contextlib.asynccontextmanager
async def listening(guard: Guard) -> AsyncIterator[int]:
    runner = web.AppRunner(app.make(FakeCluster(), (), guard), access_log=None)
    await runner.setup()
    assert runner.server is not None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(guard.wrap(runner.server), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await runner.cleanup()


@contextlib.asynccontextmanager
async def connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the server ends the connection."""
    try:
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""


async def test_a_client_that_sends_no_whole_request_is_cut_off() -> None:
    async with listening(Guard(patience=0.05)) as port, connected(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        assert await ended(reader) == b""


async def test_a_client_that_was_answered_has_its_time_again() -> None:
    guard = Guard(patience=0.05)
    async with listening(guard) as port, connected(port) as (reader, writer):
        writer.write(ASKED)
        assert (await ended(reader)).endswith(b"ok\n")
    assert len(guard) == 0


async def test_one_connection_too_many_is_ended_at_once() -> None:
    guard = Guard(most=1)
    async with listening(guard) as port, connected(port) as (reader, writer):
        writer.write(ASKED)
        await reader.readuntil(b"ok\n")
        async with connected(port) as (other, _):
            assert await ended(other) == b""
        writer.write(ASKED)
        assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
