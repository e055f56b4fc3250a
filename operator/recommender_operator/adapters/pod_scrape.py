"""Counters read from the pods themselves: needs no other component in the cluster."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from recommender_operator.adapters.http import TIMEOUT, ExchangeError, exchange, pod_url
from recommender_operator.adapters.ports import PodRef, SampleError
from recommender_operator.analysis.series import PREFIX, canonical
from recommender_operator.analysis.window import CREATED
from recommender_operator.observed import PodCounters, Sample

PORT = 8080
#: Bytes of one metrics page; the contract's series take about 50 kB.
LIMIT = 4 * 2**20
#: Pods asked at a time.
CONCURRENCY = 20

logger = logging.getLogger(__name__)


class PodScrape:
    """A `SampleProvider` that reads `/metrics` of each pod."""

    def __init__(self, session: aiohttp.ClientSession, *, port: int = PORT) -> None:
        self._session = session
        self._port = port

    @classmethod
    def session(cls) -> aiohttp.ClientSession:
        """Return a client session with the time limits of a scrape; the caller closes it."""
        return aiohttp.ClientSession(timeout=TIMEOUT)

    async def sample(self, namespace: str, version: str, pods: Sequence[PodRef]) -> Sample:
        """Return the counters by pod.

        A ready pod that fails is there without counters, so that it is not taken for a new one
        when it answers again; one that is not ready is left out, as if it had not started.

        Raises:
            SampleError: no pod gave any counters.
        """
        gate = asyncio.Semaphore(CONCURRENCY)
        asked = [pod for pod in pods if pod.ip]
        answers = await asyncio.gather(*(self._ask(pod, gate) for pod in asked))
        sample: dict[str, PodCounters] = {}
        failures = []
        for pod, answer in zip(asked, answers, strict=True):
            if not isinstance(answer, str):
                sample[pod.name] = answer
                continue
            failures.append(f"{pod.name}: {answer}")
            if pod.ready:
                sample[pod.name] = {}
        if len(failures) == len(asked):
            why = "; ".join(failures) or f"none of {len(pods)} pods has an IP"
            raise SampleError(f"no counters of {namespace}/{version}: {why}")
        for failure in failures:
            logger.warning("Counters of %s/%s are partial: %s", namespace, version, failure)
        return sample

    async def _ask(self, pod: PodRef, gate: asyncio.Semaphore) -> PodCounters | str:
        """Return the counters, or why there are none."""
        url = pod_url(pod.ip, self._port, "/metrics")
        try:
            async with gate:
                page = await exchange(self._session, "GET", url, limit=LIMIT)
            return parse_page(page.decode("utf-8"))
        except UnicodeDecodeError as error:
            return f"the page is not UTF-8 at byte {error.start}"
        except (ExchangeError, ValueError) as error:
            return str(error)


def parse_page(page: str) -> PodCounters:
    """Return the product's counters on a metrics page, by canonical series.

    Raises:
        ValueError: the page is not in the text format, has none of the product's series, or a
            value that is not finite, or two values for one series. The text quotes nothing of the
            page: whoever runs the pod wrote it.
    """
    counters: dict[str, float] = {}
    for place, (name, labels, value) in enumerate(_series(page)):
        if not name.startswith(PREFIX) or (name.endswith("_created") and name != CREATED):
            continue
        try:
            key = canonical(name, labels)
        except ValueError:
            raise ValueError(f"sample {place} of the page has no number in le") from None
        if not math.isfinite(value):
            raise ValueError(f"sample {place} of the page is {value}")
        if key in counters:
            raise ValueError(
                f"sample {place} is there twice: the pod serves more than one version"
            )
        counters[key] = value
    if not counters:
        raise ValueError(f"the page has no series {PREFIX}*")
    return counters


def _series(page: str) -> list[tuple[str, dict[str, str], float]]:
    """Parse all of a page.

    The library's parser raises IndexError, KeyError and others on text that is cut or no metrics
    page at all; to a reader these are one thing.
    """
    try:
        return [
            (sample.name, sample.labels, float(sample.value))
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        ]
    except Exception as error:
        raise ValueError(f"not a page of metrics: {type(error).__name__}") from error
