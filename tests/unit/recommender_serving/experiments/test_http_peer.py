"""Connections to another version are kept, and one that was lost costs no request."""

from __future__ import annotations

import asyncio

import pytest

from recommender_serving.experiments import http_peer
from recommender_serving.experiments.http_peer import HttpPeer, PeerError, PeerLostError, Response
from tests.unit.recommender_serving.serving_scripted import (
    CLOSING,
    DROP,
    HANG,
    OK,
    Scripted,
    answer,
    scripted,
)
from tests.unit.recommender_serving.serving_sockets import until


def peer_of(site: Scripted) -> HttpPeer:
    return HttpPeer("127.0.0.1", site.port)


async def post(peer: HttpPeer, body: bytes = b"{}") -> Response:
    async with asyncio.timeout(60):
        return await peer.post("/v1", {"x-a": "b"}, body)


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with scripted() as site:
        site.usual = answer(201, b"hello", X_Other="é")
        peer = peer_of(site)
        for _ in range(3):
            response = await post(peer, b"asked")
            assert (response.status, response.body) == (201, b"hello")
            assert response.headers["x-other"] == "é"
        assert site.connections == 1
        headers, body = site.requests[0]
        expected = {"host": f"127.0.0.1:{site.port}", "content-length": "5", "x-a": "b"}
        assert (body, headers) == (b"asked", expected)
        await peer.close()


async def test_requests_at_once_have_connections_of_their_own() -> None:
    async with scripted() as site:
        peer = peer_of(site)
        await asyncio.gather(*(post(peer) for _ in range(3)))
        await asyncio.gather(*(post(peer) for _ in range(3)))
        assert site.connections == 3
        await peer.close()


async def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    async with scripted() as site:
        peer = peer_of(site)
        site.script = [CLOSING]
        await post(peer)
        await post(peer)
        assert site.connections == 2
        await peer.close()


@pytest.mark.parametrize("first", [DROP, OK[:20], OK[:-1]])
async def test_a_request_whose_connection_is_lost_is_repeated_once(first: bytes) -> None:
    async with scripted() as site:
        peer = peer_of(site)
        cut = first if first == DROP else first + b""
        site.script = [cut, OK]
        if first != DROP:  # a part of an answer, and then the end
            asking = asyncio.create_task(post(peer))
            await until(lambda: bool(site.requests))
            site.drop_all()
            response = await asking
        else:
            response = await post(peer)
        assert (response.body, site.connections) == (b"hi", 2)
        site.script = [DROP, DROP, OK]
        with pytest.raises(PeerLostError):
            await post(peer)
        assert len(site.requests) == 4
        await peer.close()


async def test_a_kept_connection_that_was_lost_meanwhile_costs_no_request() -> None:
    async with scripted() as site:
        peer = peer_of(site)
        await asyncio.gather(*(post(peer) for _ in range(4)))
        site.drop_all()
        for _ in range(4):
            assert (await post(peer)).status == 200
        await peer.close()


async def test_nobody_listening_is_a_loss() -> None:
    async with scripted() as site:
        port = site.port
    with pytest.raises(PeerLostError, match="no connection"):
        await post(HttpPeer("127.0.0.1", port))


@pytest.mark.parametrize("junk", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
async def test_what_is_no_answer_is_not_asked_again(junk: bytes) -> None:
    async with scripted() as site:
        site.usual = junk
        peer = peer_of(site)
        with pytest.raises(PeerError) as failed:
            await post(peer)
        assert not isinstance(failed.value, PeerLostError)
        assert len(site.requests) == 1
        await peer.close()


async def test_an_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_peer, "MOST_BYTES", 10)
    async with scripted() as site:
        site.usual = answer(200, b"x" * 11)
        peer = peer_of(site)
        with pytest.raises(PeerError, match="more than 10 bytes"):
            await post(peer)
        await peer.close()


async def test_a_request_that_nobody_waits_for_leaves_no_connection() -> None:
    async with scripted() as site:
        site.script = [HANG]
        peer = peer_of(site)
        asking = asyncio.create_task(peer.post("/v1", {}, b""))
        await until(lambda: bool(site.requests))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await post(peer)).body == b"hi"  # and not the answer to the first
        assert site.connections == 2
        await peer.close()


@pytest.mark.parametrize("limit", ["LONGEST_USE", "LONGEST_IDLE"])
async def test_old_and_idle_connections_are_not_kept(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_peer, limit, 0)
    async with scripted() as site:
        peer = peer_of(site)
        for _ in range(3):
            await post(peer)
        assert site.connections == 3
        await peer.close()


async def test_a_request_in_flight_survives_the_end_of_its_connections() -> None:
    async with scripted() as site:
        site.script = [HANG]
        peer = peer_of(site)
        asking = asyncio.create_task(post(peer))
        await until(lambda: bool(site.requests))
        await peer.close()
        assert (await post(peer)).body == b"hi"
        assert not asking.done()
        site.drop_all()  # and it is repeated
        assert (await asking).body == b"hi"
        assert len(site.requests) == 3
        await peer.close()


async def test_a_redirect_is_an_answer_like_others() -> None:
    async with scripted() as site:
        site.usual = answer(307, location="/elsewhere")
        peer = peer_of(site)
        assert (await post(peer)).status == 307
        assert len(site.requests) == 1
        await peer.close()
