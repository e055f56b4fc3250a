import contextlib
import time
from collections.abc import AsyncIterator, Mapping

import aiohttp
import prometheus_client
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.adapters import pod_scrape
from recommender_operator.adapters.pod_scrape import PodScrape, parse_page
from recommender_operator.adapters.ports import PodRef, SampleError
from recommender_operator.analysis.window import CREATED, window_stats
from recommender_operator.observed import Sample
from tests.unit.recommender_operator.adapters.podserver import (
    Handler,
    answering,
    endless,
    hanging,
    serving,
)

OK = 'recommender_requests_total{outcome="ok"}'


def page(ok: int = 3) -> str:
    """A page as the transformer's client library writes it."""
    registry = prometheus_client.CollectorRegistry()
    names = ["model", "version"]
    requests = prometheus_client.Counter(
        "recommender_requests", "Requests.", [*names, "outcome"], registry=registry
    )
    requests.labels("films", "films-1", "ok").inc(ok)
    duration = prometheus_client.Histogram(
        "recommender_request_duration_seconds", "s", names, buckets=(0.05, 1), registry=registry
    )
    for _ in range(ok):
        duration.labels("films", "films-1").observe(0.02)
    prometheus_client.Counter("python_other", "Not ours.", registry=registry).inc()
    return prometheus_client.generate_latest(registry).decode()


@contextlib.asynccontextmanager
async def pods(handlers: Mapping[str, Handler]) -> AsyncIterator[tuple[list[PodRef], int]]:
    """Serve each pod on an address of its own, all on one port, as in a cluster."""
    async with contextlib.AsyncExitStack() as stack:
        port = 0
        refs = []
        for i, (name, handler) in enumerate(handlers.items()):
            ip = f"127.0.0.{i + 1}"
            port = await stack.enter_async_context(serving(handler, ip, port))
            refs.append(PodRef(name=name, ip=ip, ready=True))
        yield refs, port


async def scraped(refs: list[PodRef], port: int, timeout: float = 5) -> Sample:
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


async def test_a_pod_that_refuses_connections_is_told() -> None:
    with pytest.raises(SampleError, match=r"a: GET http://127\.0\.0\.1:1/metrics failed"):
        await scraped([PodRef(name="a", ip="127.0.0.1", ready=True)], 1)


async def test_a_stuck_pod_holds_up_the_others_no_longer_than_the_time_limit() -> None:
    async with pods({"a": hanging, "b": hanging, "c": answering(page())}) as (refs, port):
        start = time.monotonic()
        sample = await scraped(refs, port, timeout=0.5)
        # One after the other would take twice the limit.
        assert time.monotonic() - start < 0.95
    assert sample["c"][OK] == 3


async def test_a_page_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_scrape, "LIMIT", 2**20)
    async with pods({"a": endless}) as (refs, port):
        with pytest.raises(SampleError, match="answered more than 1048576 bytes"):
            await scraped(refs, port, timeout=30)


async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(request: web.BaseRequest) -> web.Response:
        if request.path == "/metrics":
            return web.Response(status=302, headers={"Location": "/other"})
        return web.Response(text=page())

    async with pods({"a": elsewhere}) as (refs, port):
        with pytest.raises(SampleError, match="answered 302"):
            await scraped(refs, port)


def test_only_the_products_series_are_kept_without_whose_they_are() -> None:
    counters = parse_page(page())
    assert all(key.startswith("recommender_") for key in counters)
    assert not any("films" in key for key in counters)
    assert counters['recommender_request_duration_seconds_bucket{le="0.05"}'] == 3
    assert counters['recommender_request_duration_seconds_bucket{le="+Inf"}'] == 3
    assert [key for key in counters if "_created" in key] == [CREATED]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no series"),
        ("other 1\n", "no series"),
        ('recommender_x{bin="SECRET"} NaN\n', "sample 0 of the page is nan"),
        ('recommender_SECRET{le="SECRET"} 1\n', "sample 0 of the page has no number in le"),
        ("recommender_x SECRET\n", "not a page"),
        ("recommender_x +Inf\n", "is inf"),
        ('recommender_x{version="a"} 1\nrecommender_x{version="b"} 2\n', "there twice"),
        ('recommender_x{le="a', "not a page"),
        ("recommender_x\n", "not a page"),
        ("<html><body>proxy</body></html>", "not a page"),
    ],
)
def test_a_page_that_cannot_be_trusted_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as failure:
        parse_page(text)
    assert "SECRET" not in str(failure.value)


@given(st.text())
def test_any_text_is_counters_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_page(text)


@given(st.integers(0, 10**12), st.data())
def test_a_page_cut_off_anywhere_never_gives_a_wrong_key(ok: int, data: st.DataObject) -> None:
    kind = "# TYPE recommender_requests_total counter\n"
    whole = f"# HELP recommender_requests_total n\n{kind}{OK} {ok}\n"
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    with contextlib.suppress(ValueError):
        assert set(parse_page(cut)) <= {OK}


LABEL = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(st.tuples(LABEL, LABEL), st.integers(0, 2**53), min_size=1, max_size=8))
def test_what_the_client_library_writes_is_read_back(
    counts: dict[tuple[str, str], int],
) -> None:
    registry = prometheus_client.CollectorRegistry()
    counter = prometheus_client.Counter(
        "recommender_feature_values", "n", ["version", "feature", "bin"], registry=registry
    )
    for (feature, bin_), n in counts.items():
        counter.labels("v", feature, bin_).inc(n)
    page = prometheus_client.generate_latest(registry).decode()
    stats = window_stats({}, {"pod": parse_page(page)})
    read = {(f, b): n for f, bins in stats.features.items() for b, n in bins.items()}
    assert read == counts
