"""Requests with the asyncio client: renewed logins, streams with lines of any length."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from kubernetes.aio import client as official

from recommender_operator.controller.kube import PODS, KubeError, NotLeaderError
from recommender_operator.controller.transport import Transport, proxy_of
from recommender_operator.controller.watching import ApiSource, Event, Scope

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SCOPE = Scope(PODS, "team", "recommender.dev/model")


class Tokens:
    """A login with a new token each time."""

    def __init__(self, url: str) -> None:
        self.count = 0
        self._url = url

    async def log_in(self) -> official.Configuration:
        self.count += 1
        configuration = official.Configuration(host=self._url)
        configuration.api_key["BearerToken"] = f"Bearer token-{self.count}"
        return configuration


@contextlib.asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[tuple[Transport, Tokens, list[float]]]:
    """A transport to a server, and its clock."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    tokens, clock = Tokens(f"http://{host}:{port}"), [100.0]
    transport = Transport(tokens.log_in, concurrency=2, timeout=5, clock=lambda: clock[0])
    try:
        yield transport, tokens, clock
    finally:
        await transport.close()
        await runner.cleanup()


async def test_a_token_that_has_expired_is_replaced_and_the_request_repeated_once() -> None:
    async def handler(request: web.Request) -> web.Response:
        fresh = request.headers["Authorization"] == "Bearer token-2"
        return web.json_response({}, status=200 if fresh else 401)

    async with served(handler) as (transport, tokens, clock):
        await transport._connected()
        clock[0] += 60
        assert (await transport.request("GET", "/api")).status == 200
        assert tokens.count == 2


async def test_a_server_that_rejects_every_token_causes_no_repeated_logins() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({}, status=401)

    async with served(handler) as (transport, tokens, _):
        for _ in range(5):
            assert (await transport.request("GET", "/api")).status == 401
        assert tokens.count == 1


class Leadership:
    """A fence that another leader may close."""

    def __init__(self) -> None:
        self.lost = False

    def fence(self) -> None:
        if self.lost:
            raise NotLeaderError("another one leads")


async def test_a_write_that_has_waited_for_its_turn_is_not_sent_once_another_leads() -> None:
    both, go_on = asyncio.Semaphore(0), asyncio.Event()
    requested: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        requested.append(request.path)
        both.release()
        await go_on.wait()
        return web.json_response({})

    leadership = Leadership()
    async with served(handler) as (transport, _, _):
        ahead = [asyncio.create_task(transport.request("GET", f"/{i}")) for i in range(2)]
        for _ in ahead:
            await both.acquire()
        write = asyncio.create_task(transport.request("POST", "/write", fence=leadership.fence))
        await asyncio.sleep(0)
        leadership.lost = True
        go_on.set()
        with pytest.raises(NotLeaderError):
            await write
        await asyncio.gather(*ahead)
    assert sorted(requested) == ["/0", "/1"]


async def test_a_write_is_not_repeated_after_a_login_during_which_another_one_led() -> None:
    leadership, requested = Leadership(), []

    async def handler(request: web.Request) -> web.Response:
        requested.append(request.path)
        leadership.lost = True
        return web.json_response({}, status=401)

    async with served(handler) as (transport, tokens, clock):
        await transport._connected()
        clock[0] += 60
        with pytest.raises(NotLeaderError):
            await transport.request("POST", "/write", fence=leadership.fence)
        assert tokens.count == 2
    assert requested == ["/write"]


ITEM = {"metadata": {"name": "a", "resourceVersion": "5"}, "spec": {"x": [1]}}


async def watched(lines: list[bytes], status: int = 200) -> list[Event]:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        return response

    async with served(handler) as (transport, _, _):
        return [event async for event in ApiSource(transport).watch(SCOPE, "5", 60)]


def line(event: str, **thing: object) -> bytes:
    return json.dumps({"type": event, "object": thing}).encode() + b"\n"


async def test_events_come_whole_however_the_network_cuts_them() -> None:
    text = line("ADDED", metadata={}, data="x" * 3_000_000) + line("BOOKMARK", metadata={})
    pieces = [text[i : i + 700_001] for i in range(0, len(text), 700_001)]
    events = await watched(pieces)
    assert [event.type for event in events] == ["ADDED", "BOOKMARK"]
    assert len(events[0].object.parsed()["data"]) == 3_000_000


async def test_an_expired_version_is_an_error_of_that_status_wherever_it_is_said() -> None:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    with pytest.raises(KubeError, match="too old") as caught:
        await watched([line("ERROR", **status)])
    assert (caught.value.status, caught.value.reason) == (410, "Expired")
    with pytest.raises(KubeError) as caught:
        await watched([json.dumps(status).encode()], status=410)
    assert caught.value.status == 410


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>\n",
        b"[]\n",
        b'{"type": "ADDED"}\n',
        b'{"type": "ADDED", "object": {}}\n',
        b'{"type": "ERROR", "object": "text"}\n',
        b'{"type": "ADDED", "object": ' + b"[" * 100_000 + b"\n",
    ],
)
async def test_an_invalid_event_is_an_error(garbage: bytes) -> None:
    with pytest.raises(KubeError, match="not an event"):
        await watched([garbage])


@pytest.mark.parametrize(
    "garbage",
    ["<html>", "[]", "{}", '{"metadata": {}, "items": [7]}', '{"items": [' + "[" * 100_000],
)
async def test_what_is_not_a_list_is_an_error(garbage: str) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(text=garbage)

    async with served(handler) as (transport, _, _):
        with pytest.raises(KubeError, match="not a list"):
            await ApiSource(transport).page(SCOPE, "")


async def test_a_page_is_requested_with_its_selector_and_token() -> None:
    requested = []

    async def handler(request: web.Request) -> web.Response:
        requested.append(dict(request.query))
        metadata = {"resourceVersion": "7", "continue": "next"}
        return web.json_response({"items": [ITEM], "metadata": metadata})

    async with served(handler) as (transport, _, _):
        page = await ApiSource(transport).page(SCOPE, "")
        assert [item.parsed() for item in page.items] == [ITEM]
        assert (page.version, page.more) == ("7", "next")
        await ApiSource(transport).page(SCOPE, page.more)
    first = {"labelSelector": "recommender.dev/model", "limit": "200"}
    assert requested == [first, first | {"continue": "next"}]


def test_a_proxy_of_the_environment_is_used_unless_it_is_bypassed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "10.0.0.1")
    assert proxy_of("https://api.example:6443") == "http://proxy.example:3128"
    assert proxy_of("https://10.0.0.1:6443") is None
    assert proxy_of("http://api.example") is None
