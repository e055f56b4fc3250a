import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
from aiohttp import web

from recommender_operator.adapters.counters import pod_scrape
from recommender_operator.adapters.counters.pod_scrape import PodScrape
from recommender_operator.adapters.counters.sample_provider import SampleError
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.analysis.counter_window import window_stats
from recommender_operator.observed import Sample
from tests.unit.recommender_operator.adapters.podserver import (
    OK,
    Handler,
    answering,
    endless,
    hanging,
    page,
    serving,
)


@contextlib.asynccontextmanager
async def pods(handlers: Mapping[str, Handler]) -> AsyncIterator[tuple[list[PodRef], int]]:
    """Serve each pod on a separate address with the same port, as in a cluster."""
    async with contextlib.AsyncExitStack() as stack:
        port = 0
        refs = []
        for i, (name, handler) in enumerate(handlers.items()):
            ip = f"127.0.0.{i + 1}"
            port = await stack.enter_async_context(serving(handler, ip, port))
            refs.append(PodRef(name=name, ip=ip, ready=True))
        yield refs, port


async def scraped(refs: list[PodRef], port: int, timeout: float = 60) -> Sample:
    limits = aiohttp.ClientTimeout(total=timeout)
    async with aiohttp.ClientSession(timeout=limits) as session:
        return await PodScrape(session, port=port).sample("shop", "films-1", refs)


async def test_all_pods_of_a_version_are_read() -> None:
    async with pods({"a": answering(page(3)), "b": answering(page(5))}) as (refs, port):
        sample = await scraped(refs, port)
    assert sample["a"][OK] == 3
    stats = window_stats({}, sample)
    assert (stats.requests, stats.pods, stats.latency.total) == (8, 2, 8)


async def test_a_ready_pod_that_fails_stays_in_the_sample_without_counters() -> None:
    handlers = {"a": answering(page()), "b": answering("down", 500), "c": answering("<html>")}
    async with pods(handlers) as (refs, port):
        sample = await scraped(refs, port)
    assert {name: bool(counters) for name, counters in sample.items()} == {
        "a": True, "b": False, "c": False
    }  # fmt: skip


async def test_a_pod_that_is_not_ready_and_fails_is_left_out() -> None:
    async with pods({"a": answering(page()), "b": answering("", 503)}) as (refs, port):
        refs[1] = PodRef(name="b", ip=refs[1].ip, ready=False)
        assert set(await scraped(refs, port)) == {"a"}


async def test_when_no_pod_answers_the_error_names_each_with_its_cause() -> None:
    async with pods({"a": answering("boom", 500), "b": answering("# none\n")}) as (refs, port):
        with pytest.raises(SampleError) as failure:
            await scraped(refs, port)
    text = str(failure.value)
    assert "shop/films-1" in text
    assert "a: GET http://127.0.0.1" in text
    assert "answered 500 with 4 bytes of another type" in text
    assert "boom" not in text
    assert "b: the page has no series recommender_*" in text


@pytest.mark.parametrize("refs", [[], [PodRef(name="a", ip="", ready=False)]])
async def test_without_a_pod_that_can_be_asked_there_is_an_error(refs: list[PodRef]) -> None:
    with pytest.raises(SampleError, match=f"none of {len(refs)} pods has an IP"):
        await scraped(refs, 1)


async def test_a_pod_that_refuses_connections_is_reported() -> None:
    with pytest.raises(SampleError, match=r"a: GET http://127\.0\.0\.1:1/metrics failed"):
        await scraped([PodRef(name="a", ip="127.0.0.1", ready=True)], 1)


async def test_a_stuck_pod_delays_the_others_by_at_most_the_time_limit() -> None:
    """All are asked at the same time: the first one answers only when all of them are."""
    asked = asyncio.Barrier(3)

    def once_all_are_asked(handler: Handler) -> Handler:
        async def waiting(request: web.BaseRequest) -> web.StreamResponse:
            await asked.wait()
            return await handler(request)

        return waiting

    handlers = {"c": answering(page()), "a": hanging, "b": hanging}
    waiting = {name: once_all_are_asked(handler) for name, handler in handlers.items()}
    async with pods(waiting) as (refs, port):
        sample = await scraped(refs, port, timeout=2)
    assert sample["c"][OK] == 3
    assert (sample["a"], sample["b"]) == ({}, {})


async def test_a_page_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_scrape, "PAGE_LIMIT", 2**20)
    async with pods({"a": endless}) as (refs, port):
        with pytest.raises(SampleError, match="returned more than 1048576 bytes"):
            await scraped(refs, port, timeout=60)


async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(request: web.BaseRequest) -> web.Response:
        if request.path == "/metrics":
            return web.Response(status=302, headers={"Location": "/other"})
        return web.Response(text=page())

    async with pods({"a": elsewhere}) as (refs, port):
        with pytest.raises(SampleError, match="answered 302"):
            await scraped(refs, port)


async def test_counters_of_another_version_at_the_same_address_do_not_count() -> None:
    others = page(7).replace("films-1", "films-2")
    async with pods({"a": answering(page(3)), "b": answering(others)}) as (refs, port):
        sample = await scraped(refs, port)
    assert (sample["a"][OK], sample["b"]) == (3, {})


async def test_the_pods_of_a_fresh_deployment_count_as_its_version() -> None:
    async with pods({"a": answering(page(3))}) as (refs, port), PodScrape.session() as session:
        scrape = PodScrape(session, port=port)
        assert (await scrape.sample("shop", "films-1-f", refs))["a"][OK] == 3
