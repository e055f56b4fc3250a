"""The Prometheus provider with a real server that scrapes real metrics pages."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from prometheus_client.registry import CollectorRegistry

from recommender_operator.adapters.counters import prometheus
from recommender_operator.adapters.counters.pod_scrape import PodScrape
from recommender_operator.adapters.counters.prometheus import Prometheus, Queries
from recommender_operator.adapters.counters.sample_provider import SampleError
from recommender_operator.adapters.pods.bounded_http import exchange
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.analysis.counter_window import window_stats
from recommender_operator.observed import Sample
from tests.integration.prometheus_server import running

pytestmark = pytest.mark.integration

NAMES = ["model", "version"]


class Pod:
    """A pod's metrics page, with the client library that the transformer uses."""

    def __init__(self, version: str, **more: str) -> None:
        """`more` are labels that the pod gives its own series of requests."""
        self.registry = CollectorRegistry()
        self._labels = {"model": "films", "version": version}
        self._more = more
        self._requests = prometheus_client.Counter(
            "recommender_requests", "n", [*NAMES, "outcome", *more], registry=self.registry
        )
        self._duration = prometheus_client.Histogram(
            "recommender_request_duration_seconds",
            "s",
            NAMES,
            buckets=(0.05, 0.5, 1, 5),
            registry=self.registry,
        )
        self._features = prometheus_client.Counter(
            "recommender_feature_values", "n", [*NAMES, "feature", "bin"], registry=self.registry
        )
        self.server, _ = prometheus_client.start_http_server(
            0, addr="127.0.0.1", registry=self.registry
        )
        self.port = self.server.server_port

    def answer(self, ok: int, errors: int = 0) -> None:
        self._requests.labels(**self._labels, **self._more, outcome="ok").inc(ok)
        self._requests.labels(**self._labels, **self._more, outcome="error").inc(errors)
        for _ in range(ok + errors):
            self._duration.labels(**self._labels).observe(0.2)
        self._features.labels(**self._labels, feature="age", bin="0").inc(ok)


#: A pod of another namespace with the names of those of the shop.
FOREIGN = "foreign"


@pytest.fixture
def pods() -> Iterator[dict[str, Pod]]:
    made = {"films-1-a": Pod("films-1"), "films-1-b": Pod("films-1"), "films-2-a": Pod("films-2")}
    made[FOREIGN] = Pod("films-1", namespace="shop", pod="films-1-a")
    yield made
    for pod in made.values():
        pod.server.shutdown()
        pod.server.server_close()


@pytest.fixture
def url(tmp_path: Path, pods: dict[str, Pod]) -> Iterator[str]:
    static = [
        {
            "targets": [f"127.0.0.1:{pod.port}"],
            "labels": {
                "pod": name if name != FOREIGN else "films-1-a",
                "namespace": "shop" if name != FOREIGN else "evil",
                "container": "transformer-container",
            },
        }
        for name, pod in pods.items()
    ]
    with running(tmp_path, [{"job_name": "pods", "static_configs": static}]) as address:
        yield address


REFS = [PodRef(name=f"films-1-{x}", ip="127.0.0.1", ready=True) for x in "ab"]


async def eventually(url: str, requests: int) -> Sample:
    """Return the first sample with this number of requests."""
    seen: object = None
    async with Queries.session() as session:
        provider = Prometheus(Queries(session), url)
        for _ in range(300):
            try:
                sample = await provider.sample("shop", "films-1", REFS)
                stats = window_stats({}, sample)
                if stats.requests == requests:
                    return sample
                seen = stats.requests
            except SampleError as error:
                seen = error
            await asyncio.sleep(0.1)
    raise AssertionError(f"not {requests} requests in 30 s, but {seen}")


async def test_prometheus_returns_the_counters_of_the_pods(url: str, pods: dict[str, Pod]) -> None:
    pods["films-1-a"].answer(30, errors=2)
    pods["films-1-b"].answer(10)
    pods["films-2-a"].answer(500)
    first = await eventually(url, 42)
    assert set(first) == {"films-1-a", "films-1-b"}

    async with PodScrape.session() as session:
        for name, counters in first.items():
            scrape = PodScrape(session, port=pods[name].port)
            own = await scrape.sample(
                "shop", "films-1", [PodRef(name=name, ip="127.0.0.1", ready=True)]
            )
            assert counters == own[name]

    pods["films-1-a"].answer(5, errors=1)
    window = window_stats(first, await eventually(url, 48))
    assert (window.requests, window.errors, window.latency.total) == (6, 1, 6)
    assert window.features == {"age": {"0": 5}}
    assert window.latency.quantile(0.5) == pytest.approx(0.05 + 0.45 / 2)


async def test_series_of_another_namespace_neither_count_nor_arrive(
    url: str, pods: dict[str, Pod], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They name the pods, the version and, in a label of their own, the namespace."""
    bodies: list[bytes] = []

    async def kept(*arguments: Any, **options: Any) -> bytes:
        bodies.append(await exchange(*arguments, **options))
        return bodies[-1]

    monkeypatch.setattr(prometheus, "exchange", kept)
    pods[FOREIGN].answer(1000, errors=900)
    pods["films-1-a"].answer(30)
    pods["films-1-b"].answer(10)
    await eventually(url, 40)
    every = b""
    async with Queries.session() as session:
        for _ in range(600):  # until the server has them
            every = await exchange(
                session,
                "GET",
                f"{url}/api/v1/query",
                limit=prometheus.LIMIT,
                params={"query": 'recommender_requests_total{exported_namespace="shop"}'},
            )
            if b"evil" in every:
                break
            await asyncio.sleep(0.1)
    bodies.clear()
    await eventually(url, 40)
    assert b"evil" in every, "the server has them"
    assert bodies
    assert not [body for body in bodies if b"evil" in body]


async def test_a_version_that_is_not_scraped_is_an_error_with_the_query(url: str) -> None:
    async with Queries.session() as session:
        with pytest.raises(
            SampleError, match=r'version="films-9".*must scrape port 8080.*namespace'
        ):
            await Prometheus(Queries(session), url).sample("shop", "films-9", REFS)
