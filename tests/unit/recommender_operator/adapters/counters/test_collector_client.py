"""The collector's answers about experiments: what is wrong with one is said, and never raised."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from recommender_operator.adapters.counters import collector_client
from recommender_operator.adapters.counters.collector_client import (
    FRESH,
    SETTLED,
    CollectorReader,
    NoCollector,
    parse,
)
from recommender_operator.extensions.holdout.holdout_gain import SOONEST
from recommender_operator.observed import CollectorReading
from tests.unit.recommender_operator.adapters.podserver import (
    Handler,
    answering,
    hanging,
    serving,
)
from tests.unit.recommender_operator.resources.builder_inputs import model

ID = "00c0ffee"
BODY = {"experiment": ID, "watermark": 1.5, "phases": []}
#: The answer of a server that is no collector, which must stay private.
SECRET = "ROOT-KEY9"


async def reading(
    handler: Handler, timeout: float = 5, phase: int | None = None
) -> CollectorReading:
    limits = aiohttp.ClientTimeout(total=timeout)
    async with serving(handler) as port, aiohttp.ClientSession(timeout=limits) as session:
        reader = CollectorReader(session, f"http://127.0.0.1:{port}", model().namespace)
        return await reader.read(model(), ID, phase)


async def test_the_answer_is_read_from_the_path_of_model_and_experiment() -> None:
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(f"{request.method} {request.path_qs}")
        return web.json_response(BODY)

    assert await reading(handler) == CollectorReading(body=BODY)
    assert await reading(handler, phase=3) == CollectorReading(body=BODY)
    path = f"GET /v1/experiments/movies/{ID}"
    assert seen == [path, f"{path}?details=3"]


async def test_the_token_is_that_of_the_file_now(tmp_path: Path) -> None:
    seen: list[str | None] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response(BODY)

    file, now = tmp_path / "token", 0.0
    async with serving(handler) as port, aiohttp.ClientSession() as session:
        reader = CollectorReader(
            session, f"http://127.0.0.1:{port}", model().namespace, lambda: now, file
        )
        for text in ("first-token\n", "second-token\nfirst-token\n"):
            file.write_text(text)
            assert (await reader.read(model(), ID)).body == BODY
            now += FRESH
    assert seen == ["Bearer first-token", "Bearer second-token"]


@pytest.mark.parametrize("content", [None, b"", b"\n" + SECRET.encode(), b"a b", b"\xff\xfe"])
async def test_a_file_without_a_token_is_an_error_and_nothing_is_asked(
    content: bytes | None, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    async with aiohttp.ClientSession() as session:
        reader = CollectorReader(session, "http://127.0.0.1:9", model().namespace, token_file=file)
        found = await reader.read(model(), ID)
    assert "RECOMMENDER_EXPERIMENTS_TOKEN_FILE has no token" in found.error
    assert SECRET not in found.error


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (SECRET.encode(), "no JSON at character"),
        (b"[1]", "no JSON object"),
        (b'{"watermark": NaN}', "no JSON"),
        (b'{"watermark": Infinity}', "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "no JSON"),
    ],
)
async def test_what_is_no_answer_is_an_error_that_quotes_nothing(
    body: bytes, message: str
) -> None:
    seen = await reading(answering(body))
    assert seen.body == {}
    assert message in seen.error
    assert SECRET not in seen.error


async def test_outcomes_are_read_from_the_path_of_model_and_version_once_in_a_while() -> None:
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(f"{request.method} {request.path}")
        return web.json_response({"version": "movies-0a1b2c3d", "days": []})

    now = 0.0
    async with serving(handler) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        reader = CollectorReader(session, url, model().namespace, lambda: now)
        first = await reader.outcomes(model(), "movies-0a1b2c3d")
        now = SETTLED - 1
        assert await reader.outcomes(model(), "movies-0a1b2c3d") == first
        now = SETTLED
        await reader.outcomes(model(), "movies-0a1b2c3d")
    assert first.body == {"version": "movies-0a1b2c3d", "days": []}
    assert seen == ["GET /v1/outcomes/movies/movies-0a1b2c3d"] * 2


async def test_erasures_are_read_of_models_that_the_collector_knows_only() -> None:
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(f"{request.method} {request.path}")
        return web.json_response({"reported": False})

    async with serving(handler) as port, aiohttp.ClientSession() as session:
        reader = CollectorReader(session, f"http://127.0.0.1:{port}", "team")
        assert (await reader.erasures("team", "movies")).body == {"reported": False}
        assert "the models of namespace team" in (await reader.erasures("other", "movies")).error
    assert seen == ["GET /v1/erasures/movies"]


async def test_outcomes_that_could_not_be_read_are_asked_for_again_soon() -> None:
    """Days that are over do not change, but an error does: it must not stay for minutes."""
    answers = [web.Response(status=503), web.json_response({"days": []})]

    async def handler(_request: web.BaseRequest) -> web.Response:
        return answers.pop(0)

    now = 0.0
    async with serving(handler) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        reader = CollectorReader(session, url, model().namespace, lambda: now)
        assert (await reader.outcomes(model(), "movies-0a1b2c3d")).error
        now = FRESH - 1
        assert (await reader.outcomes(model(), "movies-0a1b2c3d")).error
        now = FRESH
        found = await reader.outcomes(model(), "movies-0a1b2c3d")
    assert (found.error, found.body) == ("", {"days": []})


async def test_a_measure_that_is_read_again_a_minute_later_is_a_new_answer() -> None:
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(f"{request.method} {request.path_qs}")
        return web.json_response({"experiment": ID, "number": len(seen)})

    now = 0.0
    async with serving(handler) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        reader = CollectorReader(session, url, model().namespace, lambda: now)
        first = await reader.measure(model(), ID)
        now = FRESH - 1
        assert await reader.measure(model(), ID) == first
        now = SOONEST.total_seconds()
        assert (await reader.measure(model(), ID)).body["number"] == 2
    assert seen == [f"GET /v1/experiments/movies/{ID}?kind=holdout"] * 2


@pytest.mark.parametrize("status", [302, 400, 404, 500, 503])
async def test_another_status_is_an_error(status: int) -> None:
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text=SECRET, headers={"Location": "http://other/"})

    seen = await reading(handler)
    assert f"answered {status}" in seen.error
    assert SECRET not in seen.error


async def test_a_slow_collector_is_an_error() -> None:
    assert "did not answer in 0.1 s" in (await reading(hanging, timeout=0.1)).error


async def test_a_collector_that_is_down_is_an_error() -> None:
    async with aiohttp.ClientSession() as session:
        reader = CollectorReader(session, "http://127.0.0.1:9", model().namespace)
        assert "failed" in (await reader.read(model(), ID)).error


async def test_an_answer_beyond_the_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector_client, "LIMIT", 100)
    long = json.dumps({"experiment": "x" * 200}).encode()
    assert "more than 100 bytes" in (await reading(answering(long))).error


async def test_answers_and_errors_are_kept_for_a_while_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collector_client, "KEPT", 2)
    asked, time = [], [0.0]

    async def handler(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.json_response(BODY, status=200 if len(asked) > 1 else 503)

    async with serving(handler) as port, aiohttp.ClientSession() as session:
        reader = CollectorReader(
            session, f"http://127.0.0.1:{port}", model().namespace, clock=lambda: time[0]
        )
        for seconds in (0, FRESH - 1):
            time[0] = seconds
            assert "503" in (await reader.read(model(), ID)).error
        time[0] = FRESH
        assert (await reader.read(model(), ID)).body == BODY
        assert len(asked) == 2
        for number in range(3):
            await reader.read(model(), f"{number:08x}")
        await reader.read(model(), ID)
        assert len(asked) == 6, "only KEPT answers are kept"


async def test_an_answer_that_is_not_used_any_more_takes_no_memory() -> None:
    time = 0.0
    async with serving(answering(b"{}")) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        reader = CollectorReader(session, url, model().namespace, lambda: time)
        await reader.outcomes(model(), "movies-0a1b2c3d")
        await reader.read(model(), ID)
        time = FRESH
        await reader.read(model(), "00000000")
        assert len(reader._kept) == 2, "outcomes are fresh for longer"
        time = SETTLED
        await reader.read(model(), ID)
        assert len(reader._kept) == 1


async def test_a_model_that_the_collector_cannot_know_is_not_asked_for() -> None:
    async with aiohttp.ClientSession() as session:
        reader = CollectorReader(session, "http://127.0.0.1:9", "other")
        seen = await reader.read(model(), ID)
    assert "knows the models of namespace other" in seen.error


async def test_without_a_collector_the_remedy_is_said() -> None:
    assert "set collector.enabled" in (await NoCollector().read(model(), ID)).error


def test_an_answer_has_the_numbers_that_were_sent() -> None:
    assert parse(json.dumps(BODY).encode()) == BODY
