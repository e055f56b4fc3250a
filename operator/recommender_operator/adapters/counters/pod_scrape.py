"""Counters scraped from the pods, without any other component in the cluster."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence

import aiohttp

from recommender_operator.adapters.counters.metrics_page import PAGE_LIMIT, parse_page
from recommender_operator.adapters.counters.port import SampleError
from recommender_operator.adapters.pods import redaction
from recommender_operator.adapters.pods.http import TIMEOUT, ExchangeError, exchange, pod_url
from recommender_operator.adapters.pods.port import PodRef
from recommender_operator.analysis.series import PREFIX
from recommender_operator.observed import PodCounters, Sample
from recommender_operator.resources import fresh

PORT = 8080
#: Maximum number of concurrent scrapes in one look, and in all looks: enough for ten workers, so
#: that unresponsive pods of one tenant do not delay the others.
CONCURRENCY, ALL_LOOKS = 20, 200
#: Bytes of a page that is parsed at once: in a millisecond, which is about what a thread costs.
SMALL = 8_192

#: Matches the first version on a page.
_VERSION = re.compile(rf'^{PREFIX}[^\n]*?[{{,]version="([^"\n]*)"', re.MULTILINE)

logger = logging.getLogger(__name__)


class PodScrape:
    """A `SampleProvider` that scrapes `/metrics` of each pod."""

    def __init__(self, session: aiohttp.ClientSession, *, port: int = PORT) -> None:
        self._session = session
        self._port = port
        self._all = asyncio.Semaphore(ALL_LOOKS)

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
        gate = asyncio.Semaphore(CONCURRENCY)
        scraped = [pod for pod in pods if pod.ip]
        answers = await asyncio.gather(
            *(self._request(pod, version, gate, only) for pod in scraped)
        )
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

    async def _request(
        self, pod: PodRef, version: str, gate: asyncio.Semaphore, only: tuple[str, ...]
    ) -> PodCounters | str:
        """Return the counters of a pod, or the error as text."""
        url = pod_url(pod.ip, self._port, "/metrics")
        try:
            async with gate, self._all:
                page = await exchange(self._session, "GET", url, limit=PAGE_LIMIT)
            if len(page) <= SMALL or only:
                return _counters(page.decode("utf-8"), version, only)
            return await asyncio.to_thread(_counters, page.decode("utf-8"), version, only)
        except UnicodeDecodeError as error:
            return f"the page is not UTF-8 at byte {error.start}"
        except (ExchangeError, ValueError) as error:
            return str(error)


def _counters(page: str, version: str, only: tuple[str, ...]) -> PodCounters:
    """Return the counters on a page of a version, only those with the names `only`, if given.

    Raises:
        ValueError: the page is invalid or of another version: a pod may have got the address of a
            deleted one.
    """
    whose = _VERSION.search(page)
    if whose is not None and whose[1] != fresh.version_of(version):
        raise ValueError(f"the page is of another version: {whose[1][:100]!r}")
    return parse_page(page, only)
