"""The size of queries of a Prometheus server, and the number of them, is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator

import aiohttp
import pytest
from aiohttp import web

from recommender_operator.adapters.counters import prometheus
from recommender_operator.adapters.counters.prometheus import PODS_AT_ONCE, Prometheus, Queries
from recommender_operator.adapters.counters.sample_provider import SampleError
from recommender_operator.adapters.pods.pod_ref import PodRef
from tests.unit.recommender_operator.adapters.counters.test_prometheus import (
    answer,
    requested,
    row,
)
from tests.unit.recommender_operator.adapters.podserver import serving


async def test_many_pods_are_asked_for_a_few_at_a_time() -> None:
    pods = [PodRef(name=f"p{n:02}", ip="", ready=True) for n in range(2 * PODS_AT_ONCE + 1)]
    asked: list[list[str]] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        names = re.findall(r"p\d\d", request.query["query"].partition(" or ")[0])
        asked.append(names)
        return web.Response(body=answer(*(row("1", pod=name) for name in names)))

    async with serving(handler) as port, aiohttp.ClientSession() as session:
        found = Prometheus(Queries(session), f"http://127.0.0.1:{port}")
        sample = await found.sample("shop", "films-1", pods)
    assert sorted(sample) == [pod.name for pod in pods]
    assert [len(names) for names in asked] == [PODS_AT_ONCE, PODS_AT_ONCE, 1]


@pytest.mark.parametrize("bound", ["LIMIT", "MAX_SERIES"])
async def test_what_is_too_large_for_some_pods_is_asked_for_by_fewer(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    rows = {name: [row("1", pod=name, le=str(n)) for n in range(3)] for name in "ab"}
    size = {"LIMIT": len(answer(*rows["a"])), "MAX_SERIES": 3}[bound]
    monkeypatch.setattr(prometheus, bound, size)

    async def handler(request: web.BaseRequest) -> web.Response:
        asked = request.query["query"].partition('pod=~"')[2].partition('"')[0].split("|")
        return web.Response(body=answer(*(one for name in asked for one in rows[name])))

    assert {pod: len(of) for pod, of in (await requested(handler)).items()} == {"a": 3, "b": 3}
    monkeypatch.setattr(prometheus, bound, size - 1)
    with pytest.raises(SampleError, match=f"more than {size - 1} (bytes|series)"):
        await requested(handler)


async def test_queries_and_parsed_responses_are_bounded_over_all_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the memory does not grow with the models, nor with what their servers answer."""
    most = {"queries": 0, "parsed": 0}
    now = {"queries": 0, "parsed": 0}

    @contextlib.contextmanager
    def counted(what: str) -> Iterator[None]:
        now[what] += 1
        most[what] = max(most[what], now[what])
        yield
        now[what] -= 1

    async def exchange(*_: object, **__: object) -> bytes:
        with counted("queries"):
            await asyncio.sleep(0)
            return b""

    async def to_thread(parse: Callable[[bytes], object], body: bytes) -> object:
        with counted("parsed"):
            await asyncio.sleep(0)
            return parse(body)

    monkeypatch.setattr(prometheus, "exchange", exchange)
    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    async with aiohttp.ClientSession() as session:
        queries = Queries(session)
        every = (queries.ask("http://p", "up", len) for _ in range(5 * prometheus.QUERIES))
        await asyncio.gather(*every)
    assert most == {"queries": prometheus.QUERIES, "parsed": prometheus.PARSED}
