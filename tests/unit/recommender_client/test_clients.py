"""Both clients get recommendations, repeat what may help, and say why there is no answer."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from recommender_client import (
    AsyncClient,
    BadAnswer,
    Client,
    InvalidQuery,
    Query,
    Recommendation,
    Retries,
    Unavailable,
)
from recommender_runtime.connections import Connections
from tests.unit.recommender_serving.serving_served import Served
from tests.unit.recommender_serving.serving_sockets import running

SOON = Retries(count=2, first=0.001, most=0.001)
GOOD = {
    "items": [1, 2], "scores": [0.9, 0.8], "score_kind": "probability", "source": "model",
    "version": "movies-1", "request_id": "r",
}  # fmt: skip
FINE: tuple[int, Any] = (200, {"predictions": [GOOD]})
QUERY = Query(user_id=1, top_n=2)
Answer = Callable[[httpx.Request], httpx.Response]


#: Status, and the JSON or text of a response; or a failure of the connection.
Step = tuple[int, Any] | Exception


def answered(*steps: Step) -> tuple[Answer, list[httpx.Request]]:
    """A server that takes these steps, and what it was asked."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        step = steps[len(asked)]
        asked.append(request)
        if isinstance(step, Exception):
            raise step
        status, content = step
        if isinstance(content, str):
            return httpx.Response(status, text=content)
        return httpx.Response(status, json=content)

    return answer, asked


async def ask(
    kind: str, answer: Answer | None = None, url: str = "http://gateway", **given: Any
) -> Recommendation:
    """One query by a client of the kind, over a server that is a function, or at a URL."""
    transport = None if answer is None else httpx.MockTransport(answer)
    settings: dict[str, Any] = {"retries": SOON, "deadline": 20.0, "transport": transport, **given}
    if kind == "async":
        async with AsyncClient(url, **settings) as client:
            return await client.recommend(QUERY, request_id="page-7")
    with Client(url, **settings) as blocking:
        return await asyncio.to_thread(blocking.recommend, QUERY, request_id="page-7")


kinds = pytest.mark.parametrize("kind", ["blocking", "async"])


@pytest.fixture
async def served(tmp_path: Path) -> Any:
    served = await Served.opened(tmp_path)
    async with served.http:
        yield served


@kinds
async def test_a_client_gets_what_the_server_recommends(served: Served, kind: str) -> None:
    async with running(served, Connections()) as site:
        url = f"http://127.0.0.1:{site.port}"
        queries = [QUERY, Query(seed_items=[3], top_n=1)]
        if kind == "async":
            async with AsyncClient(url, deadline=20) as client:
                found = await client.recommend_all(queries, request_id="page-7")
        else:
            with Client(url, deadline=20) as blocking:
                found = await asyncio.to_thread(
                    blocking.recommend_all, queries, request_id="page-7"
                )
    assert [each.items for each in found] == [(1, 2), (1,)]
    assert [each.request_id for each in found] == ["page-7-0", "page-7-1"]
    assert {(each.source, each.version) for each in found} == {("model", "movies-1")}


@kinds
async def test_the_host_and_the_id_are_sent(kind: str) -> None:
    answer, asked = answered(FINE)
    found = await ask(kind, answer, host="movies.default.local", model="other")
    assert found.items == (1, 2)
    assert asked[0].headers["host"] == "movies.default.local"
    assert asked[0].headers["x-request-id"] == "page-7"
    assert 15_000 < int(asked[0].headers["x-deadline-ms"]) <= 20_000
    assert asked[0].url == "http://gateway/v1/models/other:predict"


@kinds
@pytest.mark.parametrize(
    "failure",
    [
        (503, {"error": "try again"}),
        (502, "bad gateway"),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("closed"),
    ],
)
async def test_what_may_pass_is_tried_again(kind: str, failure: Any) -> None:
    answer, asked = answered(failure, failure, FINE)
    assert (await ask(kind, answer)).items == (1, 2)
    assert len(asked) == 3


@kinds
async def test_after_the_last_retry_the_reason_is_told(kind: str) -> None:
    answer, asked = answered(*[(503, {"error": "too many bodies"})] * 3)
    with pytest.raises(Unavailable, match=r"no answer in 3 attempts; .* 503: too many bodies"):
        await ask(kind, answer)
    assert len(asked) == 3


@kinds
@pytest.mark.parametrize("status", [400, 413])
async def test_a_refused_query_is_not_repeated(kind: str, status: int) -> None:
    answer, asked = answered((status, {"error": "top_n: got 0; give 1 to 20"}))
    with pytest.raises(InvalidQuery, match="top_n: got 0; give 1 to 20"):
        await ask(kind, answer)
    assert len(asked) == 1


@kinds
@pytest.mark.parametrize(
    "strange",
    [
        (200, "<html>"),
        (200, {"predictions": []}),
        (404, {"error": "the model is not served here"}),
        (500, "internal"),
    ],
)
async def test_a_strange_answer_is_an_error_of_its_own(kind: str, strange: Any) -> None:
    answer, asked = answered(strange)
    with pytest.raises(BadAnswer):
        await ask(kind, answer)
    assert len(asked) == 1


@kinds
async def test_a_silent_server_costs_no_more_than_the_deadline(kind: str) -> None:
    # The kernel accepts connections, and nobody answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(Unavailable, match="Timeout"):
            await ask(kind, url=url, deadline=0.2)
        assert time.monotonic() - start < 60


def test_a_deadline_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="deadline: got 0; give seconds above 0"):
        Client("http://gateway", deadline=0)
