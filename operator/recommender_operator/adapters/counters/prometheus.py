"""Counters from a Prometheus server, for clusters in which the operator cannot scrape pods."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import re
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import aiohttp

from recommender_contract.metrics import CREATED
from recommender_operator.adapters.counters.sample_provider import SampleError, SampleProvider
from recommender_operator.adapters.pods.bounded_http import ExchangeError, TooLargeError, exchange
from recommender_operator.adapters.pods.json_types import json_type, value_of
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.analysis.series_text import PREFIX, canonical
from recommender_operator.api import base_url
from recommender_operator.observed import PodCounters, Sample
from recommender_operator.resources import baseline_deployment_names

#: Maximum size of a response in bytes, and number of its series. A usual pod has some hundred
#: series with 150 kB; what exceeds a limit is asked for by fewer pods.
LIMIT = 4 * 2**20
MAX_SERIES = 16_384
#: Pods of one query.
PODS_AT_ONCE = 8
#: Maximum number of queries at a time, each with a response in memory, and of responses that are
#: parsed at a time, which takes ten times their size. For all models together.
QUERIES, PARSED = 16, 2
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
#: Labels with the name of the pod, in order; `instance` if the scrape job sets neither.
INSTANCE = "instance"
POD_LABELS = ("pod", "pod_name", "kubernetes_pod_name", INSTANCE)
#: Error types of Prometheus' HTTP API; no other text of a response appears in messages.
ERROR_TYPES = frozenset(
    {"bad_data", "canceled", "execution", "internal", "not_found", "timeout", "unavailable"}
)
Parsed = TypeVar("Parsed")

NO_ANSWER = "not a response of Prometheus"


def provider(queries: Queries, url: str, allowed: Collection[str]) -> SampleProvider:
    """Return a provider for a server, or one that refuses; `allowed` are normalized URLs.

    An allowed name may resolve to any address, so the owner of its DNS record is trusted.
    """
    refusal = base_url.refusal(url, allowed)
    return NotAllowed(refusal) if refusal else Prometheus(queries, base_url.normalise(url))


class Queries:
    """Instant queries of any servers, whose responses are bounded one by one and together."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._sent = asyncio.Semaphore(QUERIES)
        self._parsed = asyncio.Semaphore(PARSED)

    @classmethod
    def session(cls) -> aiohttp.ClientSession:
        """Return a client session with the time limits of a query; the caller closes it."""
        return aiohttp.ClientSession(timeout=TIMEOUT)

    async def ask(self, url: str, query: str, parse: Callable[[bytes], Parsed]) -> Parsed:
        """Parse the response of a server to an instant query.

        Raises:
            ExchangeError: the server did not answer, or with an error.
            TooLargeError: the response has more than LIMIT bytes.
            ValueError: `parse` raised it.
        """
        # An older server ignores the limit of series; that of bytes holds for it too.
        params = {"query": query, "limit": str(MAX_SERIES + 1)}
        address = f"{url}/api/v1/query"
        async with self._sent:
            body = await exchange(self._session, "GET", address, limit=LIMIT, params=params)
            async with self._parsed:
                return await asyncio.to_thread(parse, body)


class NotAllowed:
    """A `SampleProvider` for a server that is not allowed."""

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal

    async def sample(
        self,
        namespace: str,
        version: str,
        _pods: Sequence[PodRef],
        *,
        only: tuple[str, ...] = (),  # noqa: ARG002
    ) -> Sample:
        """Raise an error; send no request.

        Raises:
            SampleError: always, with the remedy.
        """
        raise SampleError(f"no counters of {namespace}/{version}: {self._refusal}")


class Prometheus:
    """A `SampleProvider` that queries a Prometheus server for the last scraped values.

    It uses instant queries of the counters, and the operator computes the differences, because
    `increase()` extrapolates and returns fractions of requests.
    """

    def __init__(self, queries: Queries, url: str) -> None:
        self._queries = queries
        self._url = url.rstrip("/")

    async def sample(
        self, namespace: str, version: str, pods: Sequence[PodRef], *, only: tuple[str, ...] = ()
    ) -> Sample:
        """Return the counters by pod, for those of `pods` that the server has scraped.

        Raises:
            SampleError: a query failed, or none returned series of these pods.
        """
        names = "|".join(f"{name}.*" for name in only or (PREFIX,))
        served, space = (
            json.dumps(name) for name in (baseline_deployment_names.version_of(version), namespace)
        )
        series = f'__name__=~"{names}",namespace={space},version={served}'
        sample: dict[str, PodCounters] = {}
        try:
            for first in range(0, len(pods), PODS_AT_ONCE):
                some = pods[first : first + PODS_AT_ONCE]
                sample |= await self._of(series, namespace, some)
        except (ExchangeError, ValueError, RecursionError) as error:
            raise SampleError(f"no counters of {namespace}/{version}: {error}") from error
        if not sample:
            raise SampleError(
                f"no counters of {namespace}/{version}: Prometheus at {self._url} has no series "
                f"{{{series}}} of its {len(pods)} pods; it must scrape port 8080 of the pods, and "
                f"set the target labels namespace and {POD_LABELS[0]} to those of the pod"
            )
        return sample

    async def _of(self, series: str, namespace: str, pods: Sequence[PodRef]) -> Sample:
        """Return the counters of some pods; of fewer at a time if a response is too large."""
        query = " or ".join(f"{{{series},{pattern}}}" for pattern in _patterns(pods))
        parse = functools.partial(parse_answer, namespace=namespace, pods=pods)
        try:
            return await self._queries.ask(self._url, query, parse)
        except TooLargeError:
            if len(pods) == 1:
                raise
        half = len(pods) // 2
        first = await self._of(series, namespace, pods[:half])
        return {**first, **await self._of(series, namespace, pods[half:])}


def _patterns(pods: Sequence[PodRef]) -> list[str]:
    """Return the label matchers that select the series of some pods, one for each label."""
    names = [quoted_pattern(pod.name) for pod in pods]
    places = "|".join([*names, *(quoted_pattern(pod.ip) for pod in pods if pod.ip)])
    by_name = [f'{label}=~"{"|".join(names)}"' for label in POD_LABELS if label != INSTANCE]
    return [*by_name, f'{INSTANCE}=~"(\\\\[)?({places})(\\\\])?(:[0-9]+)?"']


def quoted_pattern(name: str) -> str:
    """Return a name as a part of a regular expression in a string of PromQL."""
    return json.dumps(re.escape(name).replace(r"\-", "-"))[1:-1]


def parse_answer(body: bytes, namespace: str, pods: Sequence[PodRef]) -> Sample:
    """Return the counters by pod from the response of an instant query.

    Series of other namespaces and pods are omitted. A pod scraped by two jobs has each series
    twice: the larger value is the newer one.

    Raises:
        TooLargeError: the response has more than MAX_SERIES series.
        ValueError: the response is not that of a successful instant query. The message names the
            position, but quotes nothing: the body may come from any server.
    """
    names = {pod.name: pod.name for pod in pods} | {pod.ip: pod.name for pod in pods if pod.ip}
    sample: dict[str, dict[str, float]] = {}
    for place, (labels, value) in enumerate(vector(body)):
        pod = _pod(labels, names)
        name = labels.get("__name__", "")
        foreign = labels.get("namespace") != namespace
        if pod is None or foreign or (name.endswith("_created") and name != CREATED):
            continue
        if not math.isfinite(value):
            raise ValueError(f"data.result[{place}] of {pod} is {value}")
        counters = sample.setdefault(pod, {})
        try:
            key = canonical(name, labels)
        except ValueError:
            raise ValueError(f"data.result[{place}] of {pod} has no number in le") from None
        counters[key] = max(value, counters.get(key, value))
    return sample


def _pod(labels: dict[str, str], names: dict[str, str]) -> str | None:
    for label in POD_LABELS:
        if label in labels:
            value = labels[label]
            return names.get(value) or names.get(value.rpartition(":")[0].strip("[]"))
    return None


def vector(body: bytes) -> list[tuple[dict[str, str], float]]:
    """Return the rows of the response of an instant query: labels and value.

    Raises:
        ValueError: the response is not that of a successful instant query; it is not quoted.
        TooLargeError: it has more than MAX_SERIES series.
    """
    answer = value_of(body, f"{NO_ANSWER}: invalid JSON")
    if not isinstance(answer, dict):
        raise ValueError(f"{NO_ANSWER}: {json_type(answer)}, not an object")
    if answer.get("status") != "success":
        kind = answer.get("errorType")
        known = kind if isinstance(kind, str) and kind in ERROR_TYPES else "unknown"
        raise ValueError(f"Prometheus returned an error; its errorType is {known}")
    data = answer.get("data")
    rows = data.get("result") if isinstance(data, dict) else None
    if not isinstance(data, dict) or data.get("resultType") != "vector":
        raise ValueError(f"{NO_ANSWER}: data.resultType is not vector")
    if not isinstance(rows, list):
        raise ValueError(f"{NO_ANSWER}: data.result is {json_type(rows)}, not an array")
    if len(rows) > MAX_SERIES:
        raise TooLargeError(f"the response has more than {MAX_SERIES} series")
    return [_row(row, place) for place, row in enumerate(rows)]


def _row(row: object, place: int) -> tuple[dict[str, str], float]:
    at = f"{NO_ANSWER}: data.result[{place}]"
    metric, value = (
        (row.get("metric"), row.get("value")) if isinstance(row, dict) else (None, None)
    )
    if not isinstance(metric, dict) or not all(isinstance(text, str) for text in metric.values()):
        raise ValueError(f"{at}.metric is not an object of strings")
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], str):
        raise ValueError(f"{at}.value is not a time and a string")
    try:
        return metric, float(value[1])
    except ValueError:
        raise ValueError(f"{at}.value is not a number") from None
