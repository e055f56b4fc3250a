"""No page of a tenant stalls the event loop, nor do many of them fill the memory."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from recommender_operator.adapters.counters import metrics_page, pod_scrape
from recommender_operator.adapters.counters.pod_scrape import PodScrape
from recommender_operator.adapters.counters.sample_provider import SampleError
from recommender_operator.adapters.pods import parsing
from recommender_operator.adapters.pods.bounded_http import TooLargeError
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.analysis import window_filling
from recommender_operator.observed import Sample
from tests import hurried
from tests.unit.recommender_operator.adapters.podserver import OK, page


class Pods:
    """Pods that answer at once with a page, and count how many are asked at a time."""

    def __init__(self, body: bytes, seconds: float = 0.0) -> None:
        self.body = body
        self.seconds = seconds
        self.asked: list[int] = []
        self._now = 0
        self.most = 0
        #: The most that were asked for, or had, more than a usual page.
        self.most_large = 0
        self._large = 0

    async def exchange(
        self, _session: Any, _method: str, _url: str, *, limit: int, **_: Any
    ) -> bytes:
        with self._counted(limit > pod_scrape.LARGE):
            self.asked.append(limit)
            await asyncio.sleep(self.seconds)
            if len(self.body) > limit:
                raise TooLargeError(f"more than {limit} bytes")
            return self.body

    @contextlib.contextmanager
    def _counted(self, is_large: bool) -> Iterator[None]:
        self._now += 1
        self._large += is_large
        self.most = max(self.most, self._now)
        self.most_large = max(self.most_large, self._large)
        try:
            yield
        finally:
            self._now -= 1
            self._large -= is_large


@pytest.fixture
def parsed_by(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads that parse."""
    threads: list[int] = []
    parse = pod_scrape._counters

    def counters(*arguments: Any, **named: Any) -> Any:
        threads.append(threading.get_ident())
        return parse(*arguments, **named)

    monkeypatch.setattr(pod_scrape, "_counters", counters)
    return threads


def refs(number: int) -> list[PodRef]:
    return [PodRef(name=f"p{i}", ip=f"10.0.0.{i + 1}", ready=True) for i in range(number)]


async def sampled(
    monkeypatch: pytest.MonkeyPatch, pods: Pods, number: int = 1, only: tuple[str, ...] = ()
) -> Sample:
    monkeypatch.setattr(pod_scrape, "exchange", pods.exchange)
    async with PodScrape.session() as session:
        return await PodScrape(session).sample("shop", "films-1", refs(number), only=only)


def filled(size: int) -> bytes:
    text = page().encode()
    return text + b"#" * (size - len(text))


@pytest.mark.parametrize("only", [(), ("recommender_requests", *window_filling.NAMES)])
@pytest.mark.parametrize("size", [parsing.SMALL + 1, metrics_page.PAGE_LIMIT])
async def test_a_page_is_parsed_off_the_loop_whether_all_of_it_is_wanted_or_little(
    monkeypatch: pytest.MonkeyPatch, parsed_by: list[int], size: int, only: tuple[str, ...]
) -> None:
    sample = await sampled(monkeypatch, Pods(filled(size)), only=only)
    assert sample["p0"][OK] == 3
    assert parsed_by
    assert threading.get_ident() not in parsed_by


async def test_a_small_page_costs_no_thread(
    monkeypatch: pytest.MonkeyPatch, parsed_by: list[int]
) -> None:
    await sampled(monkeypatch, Pods(filled(parsing.SMALL)))
    assert parsed_by == [threading.get_ident()]


async def test_a_page_that_is_not_utf_8_is_decoded_off_the_loop_too(
    monkeypatch: pytest.MonkeyPatch, parsed_by: list[int]
) -> None:
    with pytest.raises(SampleError, match=f"not UTF-8 at byte {parsing.SMALL}"):
        await sampled(monkeypatch, Pods(b"a" * parsing.SMALL + b"\xff"))
    assert parsed_by
    assert threading.get_ident() not in parsed_by


async def test_a_sample_reads_few_pods_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pods = Pods(filled(2_000))
    sample = await sampled(monkeypatch, pods, 3 * pod_scrape.CONCURRENCY)
    assert len(sample) == 3 * pod_scrape.CONCURRENCY
    assert pods.most == pod_scrape.CONCURRENCY


async def test_all_samples_together_read_a_bounded_number_of_pods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pod_scrape, "ALL_LOOKS", 30)
    pods = Pods(filled(2_000))
    monkeypatch.setattr(pod_scrape, "exchange", pods.exchange)
    async with PodScrape.session() as session:
        scrape = PodScrape(session)
        samples = await asyncio.gather(
            *(scrape.sample("shop", "films-1", refs(20)) for _ in range(5))
        )
    assert [len(sample) for sample in samples] == [20] * 5
    assert pods.most == 30


async def test_a_page_holds_its_place_until_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the pages that wait for a thread would have no bound."""
    pods = Pods(filled(2_000))
    unparsed, most = 0, 0

    async def slow(parse: Any, body: bytes) -> Any:
        nonlocal unparsed, most
        unparsed += 1
        most = max(most, unparsed)
        await asyncio.sleep(0)
        unparsed -= 1
        return parse(body)

    monkeypatch.setattr(pod_scrape, "parsed", slow)
    await sampled(monkeypatch, pods, 2 * pod_scrape.CONCURRENCY)
    assert 1 < most <= pod_scrape.CONCURRENCY


async def test_of_the_largest_pages_of_a_sample_few_are_in_memory_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pods = Pods(filled(pod_scrape.LARGE + 1))
    sample = await sampled(monkeypatch, pods, 9)
    assert all(counters[OK] == 3 for counters in sample.values())
    assert pods.most_large == pod_scrape.LARGE_PAGES
    assert sorted(pods.asked) == [pod_scrape.LARGE] * 9 + [metrics_page.PAGE_LIMIT] * 9


async def test_the_largest_pages_of_all_samples_count_in_the_bounds_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pod_scrape, "ALL_LOOKS", 10)
    monkeypatch.setattr(pod_scrape, "ALL_LARGE_PAGES", 6)
    pods = Pods(filled(pod_scrape.LARGE + 1))
    monkeypatch.setattr(pod_scrape, "exchange", pods.exchange)
    async with PodScrape.session() as session:
        scrape = PodScrape(session)
        await asyncio.gather(*(scrape.sample("shop", "films-1", refs(6)) for _ in range(4)))
    assert (pods.most, pods.most_large) == (10, 6)


async def at_once(_read: Any, _body: bytes) -> Any:
    """What is read of a page, without a thread, which the hurried loop would not wait for."""
    return {OK: 3.0}


@pytest.mark.parametrize("seconds", [0.15, 1.0])
def test_a_hundred_pods_with_large_pages_are_all_counted(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(pod_scrape, "parsed", at_once)
    pods = Pods(filled(pod_scrape.LARGE + 1), seconds)
    sample = hurried.run(sampled(monkeypatch, pods, 100))
    assert [name for name, counters in sample.items() if not counters] == []


def test_slow_pods_with_large_pages_delay_a_sample_by_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pod_scrape, "parsed", at_once)
    monkeypatch.setattr(pod_scrape, "LONGEST_WAIT", 1)
    pods = Pods(filled(pod_scrape.LARGE + 1), seconds=5)
    sample = hurried.run(sampled(monkeypatch, pods, 2 * pod_scrape.LARGE_PAGES))
    counted = sorted(bool(counters) for counters in sample.values())
    assert counted == [False] * pod_scrape.LARGE_PAGES + [True] * pod_scrape.LARGE_PAGES


async def test_nothing_of_a_page_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    others = page().replace("films-1", "SECRET").encode()
    for body in (others, b"recommender_SECRET SECRET\n", b'recommender_x{a="SECRET"} NaN\n'):
        with pytest.raises(SampleError) as failure:
            await sampled(monkeypatch, Pods(body))
        assert "SECRET" not in str(failure.value)
    with pytest.raises(SampleError, match="p0: the page is of another version"):
        await sampled(monkeypatch, Pods(others))
