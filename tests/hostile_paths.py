"""How long the worst texts stall the operator's event loop, each on its way into the operator.

The product's own code receives them: only the HTTP exchange is replaced, by one that returns the
text at once, and the API server by one that returns it as a log.

A stall is the time that the process used its processors while its event loop could not run: a call
in the loop, or one in a thread that keeps Python's lock. Other processes do not count.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, cast
from unittest import mock

import aiohttp

from recommender_contract.redaction import redacted
from recommender_operator.adapters.counters import (
    collector_client,
    metrics_page,
    pod_scrape,
    prometheus,
)
from recommender_operator.adapters.objects import job_states
from recommender_operator.adapters.pods import pod_states, smoke
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.analysis import window_filling
from recommender_operator.controller import redaction
from tests.fakes.kube import NOW, FakeKube
from tests.hostile_texts import ANSWERS, PAGES, PREDICTIONS, READINGS, TEXTS, Maker
from tests.unit.recommender_operator.resources.builder_inputs import model

KIB = 1024
#: Seconds between two looks at the clock in the event loop.
TICK = 0.001
POD = PodRef(name="p", ip="10.0.0.1", ready=True)
#: No text needs the network.
NO_SESSION = cast(aiohttp.ClientSession, None)


def read_page(text: str) -> None:
    metrics_page._key.cache_clear()
    metrics_page.parse_page(text)


def read_head(text: str) -> None:
    redaction._head.cache_clear()
    redaction.head(text)


def read_answer(text: str) -> None:
    prometheus.parse_answer(text.encode(), "team", [])


FUNCTIONS: dict[str, tuple[Callable[[str], Any], dict[str, Maker]]] = {
    "redacted": (redacted, TEXTS),
    "logTail": (redaction.tail, TEXTS),
    "message": (read_head, TEXTS),
    "report": (job_states.parse_report, TEXTS),
    "metricsPage": (read_page, PAGES),
    "prometheusAnswer": (read_answer, ANSWERS),
}


def seconds(function: Callable[[str], Any], text: str) -> float:
    """Return the duration of a call, whether the text is accepted or rejected."""
    started = time.thread_time()
    with contextlib.suppress(ValueError, RecursionError):
        function(text)
    return time.thread_time() - started


@dataclasses.dataclass(frozen=True)
class Path:
    """A way of a text into the operator, and the largest text that it accepts, in bytes."""

    receive: Callable[[str], Awaitable[object]]
    texts: dict[str, Maker]
    size: int


class Exchange:
    """Every server answers with the same body."""

    body = b""

    async def __call__(self, *_: Any, **__: Any) -> bytes:
        return self.body


@contextlib.contextmanager
def answering(text: str) -> Iterator[None]:
    """Let every server answer with a text."""
    exchange = Exchange()
    exchange.body = text.encode()
    with contextlib.ExitStack() as stack:
        for module in (pod_scrape, smoke, collector_client, prometheus):
            stack.enter_context(mock.patch.object(module, "exchange", exchange))
        yield


async def _page(_text: str, only: tuple[str, ...] = ()) -> object:
    metrics_page._key.cache_clear()
    scrape = pod_scrape.PodScrape(NO_SESSION)
    return await scrape.sample("team", "movies-1", [POD], only=only)


async def _page_of_a_fill(text: str) -> object:
    return await _page(text, window_filling.NAMES)


async def _smoke(_text: str) -> object:
    return await smoke.HttpSmokeTester(NO_SESSION, pause=0).smoke(POD, NOW)


async def _collector(_text: str) -> object:
    reader = collector_client.CollectorReader(NO_SESSION, "http://collector", model().namespace)
    return await reader.read(model(), "00c0ffee")


async def _prometheus(_text: str) -> object:
    queries = prometheus.Queries(NO_SESSION)
    return await prometheus.Prometheus(queries, "http://p").sample("team", "movies-1", [POD])


async def _message(text: str) -> object:
    redaction._head.cache_clear()
    waiting = {"reason": "CrashLoopBackOff", "message": text}
    return pod_states.obstacle(_pod({"waiting": waiting}))


async def _report(text: str) -> object:
    return job_states.newest_report([_pod({"terminated": {"message": text}})])


async def _log(text: str) -> object:
    redaction._head.cache_clear()
    kube = FakeKube()
    kube.logs["p"] = text
    marks = {"job-kind": "train", "version": "movies-1", "attempt": "1"}
    labels = {f"recommender.dev/{name}": value for name, value in marks.items()}
    failed = {"type": "Failed", "status": "True", "reason": "E", "message": "it failed"}
    job = {
        "metadata": {"name": "j", "uid": "u", "namespace": "team", "labels": labels},
        "status": {"conditions": [failed]},
    }
    ended = {"exitCode": 1, "reason": "Error", "message": text}
    return await job_states.JobReader(kube).read([job], {"u": [_pod({"terminated": ended})]})


def _pod(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "uid": "uid-p", "namespace": "team", "labels": {}},
        "status": {"containerStatuses": [{"name": "main", "state": state}]},
    }


PATHS = {
    "page": Path(_page, PAGES, metrics_page.PAGE_LIMIT),
    "pageOfFill": Path(_page_of_a_fill, PAGES, metrics_page.PAGE_LIMIT),
    "smokeAnswer": Path(_smoke, PREDICTIONS, smoke.LIMIT),
    "collectorAnswer": Path(_collector, READINGS, 64 * KIB),
    "prometheusAnswer": Path(_prometheus, ANSWERS, 64 * KIB),
    "message": Path(_message, TEXTS, 64 * KIB),
    "report": Path(_report, TEXTS, 64 * KIB),
    "log": Path(_log, TEXTS, 64 * KIB),
}


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[list[float]]:
    """Yield the delays of the event loop meanwhile, in seconds."""
    delays: list[float] = []

    async def tick() -> None:
        while True:
            before = time.process_time()
            await asyncio.sleep(TICK)
            delays.append(time.process_time() - before)

    ticking = asyncio.create_task(tick())
    # The clock must tick before and after, or a call that never yields would not be seen.
    await asyncio.sleep(3 * TICK)
    yield delays
    await asyncio.sleep(3 * TICK)
    ticking.cancel()


async def stall(path: Path, text: str) -> float:
    """Return the longest delay of the event loop while a text arrives, in seconds."""
    with answering(text):
        async with watched() as delays:
            with contextlib.suppress(Exception):
                await path.receive(text)
    return max(delays)


async def stalls(repeats: int) -> dict[str, dict[str, Any]]:
    """Return the longest stall of each path: the least one of the text that stalls it most."""
    found: dict[str, dict[str, Any]] = {}
    for name, path in PATHS.items():
        least = {}
        for kind, make in path.texts.items():
            text = make(path.size)
            least[kind] = min([await stall(path, text) for _ in range(repeats)])
        worst = max(least, key=lambda kind: least[kind])
        found[name] = {
            "text": worst, "kib": path.size // KIB, "ms": round(least[worst] * 1e3, 1)
        }  # fmt: skip
    return found
