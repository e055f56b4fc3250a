"""Clients that stall, flood or never read hold neither memory nor connections for long."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import AsyncIterator

import pytest

from recommender_runtime.connections import Connections, Refusal
from tests.unit.recommender_serving.serving_served import Served
from tests.unit.recommender_serving.serving_sockets import (
    BODY,
    PREDICT,
    Site,
    post,
    running,
    until,
)

SOON = 0.1  # seconds
NEVER = 60.0


def bounds(**changes: float) -> Connections:
    """Bounds that no test reaches, but for the changes."""
    usual = {"header_seconds": NEVER, "write_seconds": NEVER, "idle_seconds": 0.0}
    return Connections(**(usual | changes))  # type: ignore[arg-type]


@pytest.fixture
async def quick(served: Served) -> AsyncIterator[Site]:
    """A site that gives clients little time."""
    served.bodies.seconds = SOON
    async with running(served, bounds(header_seconds=SOON, write_seconds=SOON)) as site:
        yield site


async def test_a_kept_connection_answers_one_request_after_the_other(served: Served) -> None:
    async with running(served, bounds()) as site:
        client = await site.connect()
        for _ in range(3):
            await client.send(post())
            status, body = await client.response()
            assert (status, b'"items"' in body) == (200, True)
    assert site.refusals == []


async def test_a_client_that_sends_nothing_is_closed(quick: Site) -> None:
    client = await quick.connect()
    assert await client.closed() == b""
    assert quick.refusals == [Refusal.SLOW]


@pytest.mark.parametrize("start", [b"POST ", b"GET / HTTP/1.1\r\nhost", post()[:-40]])
async def test_half_a_header_gets_408(quick: Site, start: bytes) -> None:
    client = await quick.connect()
    await client.send(start)
    assert (await client.closed()).startswith(b"HTTP/1.1 408 ")
    assert quick.refusals == [Refusal.SLOW]


async def test_half_a_header_after_a_request_gets_408_too(quick: Site) -> None:
    client = await quick.connect()
    await client.send(post())
    assert (await client.response())[0] == 200
    await client.send(b"\r\n")  # not even a request, but it ends uvicorn's timeout of idle ones
    await client.send(b"POST ")
    assert (await client.closed()).startswith(b"HTTP/1.1 408 ")


async def test_half_a_body_gets_408_and_counts_as_invalid(served: Served, quick: Site) -> None:
    client = await quick.connect()
    await client.send(post(b"{", length=100))
    assert (await client.response())[0] == 408
    assert await client.closed() == b""
    assert served.count("invalid") == 1


async def test_a_header_without_end_gets_431(served: Served) -> None:
    async with running(served, bounds(header_bytes=1000)) as site:
        client = await site.connect()
        await client.send(b"GET / HTTP/1.1\r\nx: ")
        for _ in range(4):
            await client.send(b"x" * 300)
        assert (await client.closed()).startswith(b"HTTP/1.1 431 ")
        assert site.refusals == [Refusal.HEADERS]


def moved(site: Site, count: int) -> bool:
    """Whether so many requests are answered, or something was refused."""
    return site.answered >= count or site.refusals != []


async def test_a_client_that_does_not_read_its_answers_is_cut_off(served: Served) -> None:
    async with running(served, bounds(write_seconds=SOON)) as site:
        client = await site.connect(buffer=1024)
        while not site.refusals:
            count = site.answered + 1
            await client.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
            await until(functools.partial(moved, site, count))
        await until(lambda: site.connections.count == 0)
        assert site.refusals == [Refusal.SLOW]


async def test_too_many_requests_ahead_end_a_connection(served: Served) -> None:
    async with running(served, bounds(pipelined=3)) as site:
        client = await site.connect()
        await client.send(post() * 50)
        await client.closed()
        assert Refusal.PIPELINED in site.refusals


async def test_a_few_requests_ahead_are_answered_in_order(served: Served) -> None:
    async with running(served, bounds()) as site:
        client = await site.connect()
        other = b'{"instances": []}'
        await client.send(post() + post(other) + post())
        assert [(await client.response())[0] for _ in range(3)] == [200, 400, 200]


async def test_a_new_connection_takes_the_place_of_the_one_that_waited_longest(
    served: Served,
) -> None:
    async with running(served, bounds(limit=3)) as site:
        idle = [await site.connect() for _ in range(3)]
        await until(lambda: site.connections.count == 3)
        await idle[0].send(post())
        assert (await idle[0].response())[0] == 200  # now the second has waited longest
        probe = await site.connect()
        await probe.send(b"GET /v2/health/ready HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await probe.response())[0] == 200
        assert await idle[1].closed() == b""
        for client in (idle[0], idle[2]):
            await client.send(post())
            assert (await client.response())[0] == 200
        assert site.refusals == [Refusal.CONNECTIONS]


async def test_a_new_connection_is_refused_if_all_are_at_work(served: Served) -> None:
    async with running(served, bounds(limit=2)) as site:
        at_work = [await site.connect() for _ in range(2)]
        for client in at_work:
            await client.send(post(BODY[:5], length=len(BODY)))
        await until(lambda: served.bodies.held == 10)
        late = await site.connect()
        assert (await late.closed()).startswith(b"HTTP/1.1 503 ")
        for client in at_work:
            await client.send(BODY[5:])
            assert (await client.response())[0] == 200


async def test_a_refused_client_reads_its_answer_also_if_it_has_sent_a_request(
    served: Served,
) -> None:
    async with running(served, bounds(limit=1, refused_seconds=NEVER)) as site:
        first = await site.connect()
        await first.send(post()[:-10])  # at work
        await until(lambda: not site.connections.waiting)
        second = await site.connect()
        await until(lambda: site.connections.lingering == 1)
        for _ in range(3):  # would find the connection reset, were it closed
            await second.send(post())
            await asyncio.sleep(0)
        assert (await second.response())[0] == 503
        assert site.connections.count == 1
        await first.send(post()[-10:])
        assert (await first.response())[0] == 200


async def test_refused_connections_are_closed_after_a_moment_and_bounded(served: Served) -> None:
    async with running(served, bounds(limit=1, refused_seconds=SOON)) as site:
        first = await site.connect()
        await first.send(post()[:-10])
        await until(lambda: not site.connections.waiting)
        refused = [await site.connect() for _ in range(3)]
        for each in refused:
            assert (await each.closed()).startswith(b"HTTP/1.1 503 ")
        await until(lambda: site.connections.lingering == 0)
        assert site.connections.count == 1


async def test_a_client_that_was_just_answered_keeps_its_place(served: Served) -> None:
    async with running(served, bounds(limit=2, idle_seconds=NEVER)) as site:
        clients = [await site.connect() for _ in range(2)]
        for client in clients:
            await client.send(post())
            assert (await client.response())[0] == 200
        late = await site.connect()
        assert (await late.response())[0] == 503
        for client in clients:
            await client.send(post())
            assert (await client.response())[0] == 200


async def test_a_request_that_is_not_read_yet_keeps_its_place(served: Served) -> None:
    async with running(served, bounds(limit=1)) as site:
        with socket.create_connection(("127.0.0.1", site.port)) as client:
            await until(lambda: len(site.connections.waiting) == 1)
            client.sendall(post())  # without a turn of the event loop, which would read it
            assert not site.connections.admit()
            assert site.connections.count == 1
            await until(lambda: site.answered == 1)
            assert client.recv(64).startswith(b"HTTP/1.1 200 ")


async def test_stalled_bodies_hold_no_more_than_their_budget(served: Served) -> None:
    served.bodies.budget = 100_000
    async with running(served, bounds()) as site:
        clients = [await site.connect() for _ in range(12)]
        for client in clients:
            await client.send(post(b" " * 30_000, length=60_000))
        await until(lambda: served.bodies.held == 90_000)
        refused = 0
        for client in clients[3:]:
            refused += (await client.response())[0] == 503
        assert refused == 9
        for client in clients[:3]:
            await client.send(b" " * 30_000)
        # Those that were admitted are at the budget's edge: some fit, and none is left behind.
        statuses = {(await client.response())[0] for client in clients[:3]}
        assert statuses <= {400, 503}
    assert served.bodies.held == 0


async def test_the_path_counts_as_a_header(served: Served) -> None:
    async with running(served, bounds(header_bytes=1000)) as site:
        client = await site.connect()
        await client.send(f"POST {PREDICT}?".encode() + b"x" * 2000)
        assert (await client.closed()).startswith(b"HTTP/1.1 431 ")
