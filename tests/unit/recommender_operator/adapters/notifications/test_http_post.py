"""One try to send to a receiver, over real HTTP."""

from __future__ import annotations

import base64
import datetime
import json
import pathlib

import aiohttp
import pytest
from aiohttp import web

from recommender_operator.adapters.notifications.http_post import HttpPoster, PostError
from recommender_operator.notifications import bodies, signing
from recommender_operator.notifications.receivers import Receiver
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.adapters.podserver import (
    Handler,
    answering,
    endless,
    hanging,
    serving,
)
from tests.unit.recommender_operator.notifications.samples import ALERTS, SLACK, WEBHOOK, fact

#: A part of the address that nobody may see.
SECRET = "T000-B000-XXXX"
KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()
MESSAGE = bodies.message(SLACK, fact(), "", NOW)


class Seen:
    """A receiver that keeps what it gets."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.headers = headers or {}
        self.requests: list[web.BaseRequest] = []
        self.bodies: list[bytes] = []

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        self.bodies.append(await request.read())
        self.requests.append(request)
        return web.Response(status=self.status, headers=self.headers, text=SECRET)


async def send(
    folder: pathlib.Path,
    handler: Handler,
    receiver: Receiver = SLACK,
    *,
    path: str = f"/services/{SECRET}",
    allowed: str = "127.0.0.1",
    timeout: float = 5,
    **entries: str,
) -> None:
    limits = aiohttp.ClientTimeout(total=timeout)
    async with serving(handler) as port, aiohttp.ClientSession(timeout=limits) as session:
        entries = {"url": f"http://127.0.0.1:{port}{path}\n", **entries}
        for name, text in entries.items():
            (folder / f"{receiver.name}.{name}").write_bytes(text.encode(errors="surrogateescape"))
        poster = HttpPoster(session, folder, {f"{allowed}:{port}"}, lambda: NOW.timestamp())
        await poster.post(receiver, bodies.message(receiver, fact(), "", NOW))


async def refused(folder: pathlib.Path, handler: Handler, **how: object) -> PostError:
    with pytest.raises(PostError) as found:
        await send(folder, handler, **how)  # type: ignore[arg-type]
    assert SECRET not in f"{found.value!r} {found.value.__cause__!r}"
    assert found.value.__suppress_context__ or found.value.__context__ is None
    return found.value


async def test_a_message_is_posted_as_json_without_keys(tmp_path: pathlib.Path) -> None:
    seen = Seen()
    await send(tmp_path, seen)
    (request,) = seen.requests
    assert (request.method, request.path) == ("POST", f"/services/{SECRET}")
    assert request.headers["Content-Type"] == "application/json"
    assert seen.bodies == [MESSAGE.body]
    assert {"webhook-signature", "Authorization", "Cookie"}.isdisjoint(request.headers)


async def test_a_webhook_with_a_key_is_signed_with_its_id_and_time(tmp_path: pathlib.Path) -> None:
    seen = Seen()
    await send(tmp_path, seen, WEBHOOK, key=KEY, token="abc.def")
    (request,), (body,) = seen.requests, seen.bodies
    at = int(NOW.timestamp())
    assert request.headers["webhook-timestamp"] == str(at)
    assert request.headers["webhook-id"] == json.loads(body)["id"]
    expected = signing.headers(b"k" * 32, request.headers["webhook-id"], at, body)
    assert request.headers["webhook-signature"] == expected["webhook-signature"]
    assert request.headers["Authorization"] == "Bearer abc.def"


@pytest.mark.parametrize("path", ["", "/", "/prefix"])
async def test_alertmanager_is_reached_at_its_api(tmp_path: pathlib.Path, path: str) -> None:
    seen = Seen()
    await send(tmp_path, seen, ALERTS, path=path)
    assert seen.requests[0].path == f"{path.rstrip('/')}/api/v2/alerts"


@pytest.mark.parametrize(
    ("status", "passes"),
    [
        (301, False),
        (307, False),
        (400, False),
        (404, False),
        (408, True),
        (429, True),
        (503, True),
    ],
)
async def test_another_try_follows_only_where_it_helps(
    tmp_path: pathlib.Path, status: int, passes: bool
) -> None:
    elsewhere = Seen()
    async with serving(elsewhere) as port:
        location = {"Location": f"http://127.0.0.1:{port}/{SECRET}"}
        error = await refused(tmp_path, Seen(status, location))
    assert (str(error), error.passes) == (f"it answered {status}", passes)
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("", None), ("soon", None), ("-1", None), ("9" * 9, None)]
)
async def test_a_receiver_may_ask_for_a_pause(
    tmp_path: pathlib.Path, header: str, seconds: float | None
) -> None:
    error = await refused(tmp_path, Seen(429, {"Retry-After": header}))
    assert error.after == seconds


async def test_a_receiver_that_does_not_answer_is_left_after_the_limit(
    tmp_path: pathlib.Path,
) -> None:
    started = datetime.datetime.now(datetime.UTC)
    error = await refused(tmp_path, hanging, timeout=0.1)
    assert error.passes
    assert datetime.datetime.now(datetime.UTC) - started < datetime.timedelta(seconds=4)


async def test_an_endless_answer_is_not_read(tmp_path: pathlib.Path) -> None:
    await send(tmp_path, endless)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"url": f"https://evil.example/{SECRET}"}, "not allowed"),
        ({"url": f"http://me:{SECRET}@127.0.0.1/"}, "without user"),
        ({"url": ""}, "is empty"),
        ({"key": " "}, "ops.key is empty"),
        ({"key": "k" * 5_000}, "too long"),
        ({"token": "\udcff"}, "not UTF-8"),
        ({"key": f"{SECRET}=="}, "its key is not"),
        ({"token": f"{SECRET}\r\nX: 1"}, "characters that no token has"),
    ],
)
async def test_an_entry_that_must_not_be_used_sends_nothing(
    tmp_path: pathlib.Path, entries: dict[str, str], said: str
) -> None:
    seen = Seen()
    error = await refused(tmp_path, seen, **entries)
    assert said in str(error)
    assert seen.requests == []


async def test_a_key_that_cannot_be_read_is_no_missing_key(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ops.key").mkdir()
    error = await refused(tmp_path, seen := Seen())
    assert "not readable" in str(error)
    assert seen.requests == []


async def test_without_its_entry_a_receiver_gets_nothing(tmp_path: pathlib.Path) -> None:
    async with HttpPoster.session() as session:
        with pytest.raises(PostError, match=r"no entry ops\.url"):
            await HttpPoster(session, tmp_path, ()).post(SLACK, MESSAGE)


async def test_nobody_listens(tmp_path: pathlib.Path) -> None:
    async with serving(answering("")) as port:
        pass
    (tmp_path / "ops.url").write_text(f"http://127.0.0.1:{port}/{SECRET}", encoding="utf-8")
    async with HttpPoster.session() as session:
        poster = HttpPoster(session, tmp_path, {f"127.0.0.1:{port}"})
        with pytest.raises(PostError) as found:
            await poster.post(SLACK, MESSAGE)
    assert str(found.value) == "no answer: ClientConnectorError"
