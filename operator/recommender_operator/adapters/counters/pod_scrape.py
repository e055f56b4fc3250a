"""Counters scraped from the pods, without any other component in the cluster."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
import re
from collections.abc import Callable, Sequence

import aiohttp

from recommender_operator.adapters.counters.metrics_page import (
    LINE_LIMIT,
    PAGE_LIMIT,
    parse_page,
    product_lines,
)
from recommender_operator.adapters.counters.sample_provider import SampleError
from recommender_operator.adapters.pods.bounded_http import (
    TIMEOUT,
    ExchangeError,
    TooLargeError,
    exchange,
    pod_url,
)
from recommender_operator.adapters.pods.parsing import parsed
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.controller import redaction
from recommender_operator.observed import PodCounters, Sample
from recommender_operator.resources import baseline_deployment_names

PORT = 8080
#: Maximum number of concurrent scrapes in one pass, and in all passes: enough for ten workers, so
#: that unresponsive pods of one tenant do not delay the others.
CONCURRENCY, ALL_LOOKS = 20, 200
#: Bytes of the largest page that each of these scrapes may hold; a usual one has 50 kB. A larger
#: page is read again, when few others are in memory.
LARGE = 262_144
#: Maximum number of concurrent reads of large pages in one pass, and in all passes.
LARGE_PAGES, ALL_LARGE_PAGES = 4, 20
#: Seconds that a large page waits for others: at least, more for each pod of its sample, and at
#: most, which is half of the time of a pass.
WAIT, WAIT_FOR_POD, LONGEST_WAIT = 10.0, 0.2, 30.0

#: Matches the version of a line.
_VERSION = re.compile(r'[{,]version="([^"]*)"')

#: Returns the counters on a page.
Read = Callable[[bytes], PodCounters]

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Gates:
    """Bounds of the reads of one sample."""

    usual: asyncio.Semaphore
    large: asyncio.Semaphore
    #: Seconds that a large page waits for others.
    wait: float

    @classmethod
    def of(cls, pods: int) -> _Gates:
        wait = min(LONGEST_WAIT, WAIT + WAIT_FOR_POD * pods)
        return cls(asyncio.Semaphore(CONCURRENCY), asyncio.Semaphore(LARGE_PAGES), wait)


class PodScrape:
    """A `SampleProvider` that scrapes `/metrics` of each pod."""

    def __init__(self, session: aiohttp.ClientSession, *, port: int = PORT) -> None:
        self._session = session
        self._port = port
        self._all = asyncio.Semaphore(ALL_LOOKS)
        self._all_large = asyncio.Semaphore(ALL_LARGE_PAGES)

    @classmethod
    def session(cls) -> aiohttp.ClientSession:
        """Return a client session with the time limits of a scrape; the caller closes it."""
        return aiohttp.ClientSession(timeout=TIMEOUT)

    async def sample(
        self, namespace: str, version: str, pods: Sequence[PodRef], *, only: tuple[str, ...] = ()
    ) -> Sample:
        """Return the counters by pod, those whose names begin with one of `only` if it is given.

        A ready pod that fails has empty counters, so that it does not count as a new pod when it
        answers again; a pod that is not ready is omitted.

        Raises:
            SampleError: no pod returned counters.
        """
        read = functools.partial(_counters, version=version, only=only)
        scraped = [pod for pod in pods if pod.ip]
        gates = _Gates.of(len(scraped))
        answers = await asyncio.gather(*(self._answer(pod, read, gates) for pod in scraped))
        sample: dict[str, PodCounters] = {}
        failures = []
        for pod, answer in zip(scraped, answers, strict=True):
            if not isinstance(answer, str):
                sample[pod.name] = answer
                continue
            failures.append(f"{pod.name}: {answer}")
            if pod.ready:
                sample[pod.name] = {}
        if len(failures) == len(scraped):
            why = "; ".join(failures) or f"none of {len(pods)} pods has an IP"
            raise SampleError(f"no counters of {namespace}/{version}: {redaction.head(why)}")
        for failure in failures:
            shown = redaction.head(failure)
            logger.warning("Counters of %s/%s are partial: %s", namespace, version, shown)
        return sample

    async def _answer(self, pod: PodRef, read: Read, gates: _Gates) -> PodCounters | str:
        """Return the counters of a pod, or the error as text.

        A page keeps its place in the gates until it is parsed, so few wait for a thread.
        """
        url = pod_url(pod.ip, self._port, "/metrics")
        try:
            try:
                async with gates.usual, self._all:
                    return await self._page(url, read, min(LARGE, PAGE_LIMIT))
            except TooLargeError:
                return await self._large_page(url, read, gates)
        except UnicodeDecodeError as error:
            return f"the page is not UTF-8 at byte {error.start}"
        except (ExchangeError, ValueError) as error:
            return str(error)

    async def _large_page(self, url: str, read: Read, gates: _Gates) -> PodCounters:
        """Return the counters of a page of which few may be in memory together.

        The time that it waits is bounded, or the slow pages of a hundred pods would delay the pass
        by minutes.
        """
        async with contextlib.AsyncExitStack() as held:
            try:
                async with asyncio.timeout(gates.wait):
                    for gate in (gates.large, self._all_large, self._all):
                        await held.enter_async_context(gate)
            except TimeoutError:
                raise ExchangeError(
                    f"GET {url} returned more than {LARGE} bytes, and those of other pods took "
                    f"{gates.wait:g} s"
                ) from None
            return await self._page(url, read, PAGE_LIMIT)

    async def _page(self, url: str, read: Read, limit: int) -> PodCounters:
        return await parsed(read, await exchange(self._session, "GET", url, limit=limit))


def _counters(body: bytes, *, version: str, only: tuple[str, ...]) -> PodCounters:
    """Return the counters on a page of a version, only those with the names `only`, if given.

    Raises:
        UnicodeDecodeError: the page is not UTF-8.
        ValueError: the page is invalid or of another version: a pod may have got the address of a
            deleted one. Nothing of the page is quoted.
    """
    page = body.decode("utf-8")
    lines = (line for _, line in product_lines(page) if len(line) <= LINE_LIMIT)
    whose = next(filter(None, map(_VERSION.search, lines)), None)
    if whose is not None and whose[1] != baseline_deployment_names.version_of(version):
        raise ValueError("the page is of another version")
    return parse_page(page, only)
