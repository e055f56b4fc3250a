"""Counters from a Prometheus server, for clusters in which the operator cannot scrape pods."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Collection, Sequence

import aiohttp

from recommender_operator.adapters.counters.port import SampleError, SampleProvider
from recommender_operator.adapters.pods.http import ExchangeError, exchange
from recommender_operator.adapters.pods.json_types import json_type, value_of
from recommender_operator.adapters.pods.port import PodRef
from recommender_operator.analysis.series import PREFIX, canonical
from recommender_operator.analysis.window import CREATED
from recommender_operator.api import base_url
from recommender_operator.observed import Sample
from recommender_operator.resources import fresh

#: Maximum size of a response in bytes, enough for some hundred pods.
LIMIT = 64 * 2**20
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
#: Labels with the name of the pod, in order; `instance` if the scrape job sets neither.
POD_LABELS = ("pod", "pod_name", "kubernetes_pod_name", "instance")
#: Error types of Prometheus' HTTP API; no other text of a response appears in messages.
ERROR_TYPES = frozenset(
    {"bad_data", "canceled", "execution", "internal", "not_found", "timeout", "unavailable"}
)
NO_ANSWER = "not a response of Prometheus"


def provider(session: aiohttp.ClientSession, url: str, allowed: Collection[str]) -> SampleProvider:
    """Return a provider for a server, or one that refuses; `allowed` are normalized URLs.

    An allowed name may resolve to any address, so the owner of its DNS record is trusted.
    """
    refusal = base_url.refusal(url, allowed)
    return NotAllowed(refusal) if refusal else Prometheus(session, base_url.normalise(url))


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

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    @classmethod
    def session(cls) -> aiohttp.ClientSession:
        """Return a client session with the time limits of a query; the caller closes it."""
        return aiohttp.ClientSession(timeout=TIMEOUT)

    async def sample(
        self, namespace: str, version: str, pods: Sequence[PodRef], *, only: tuple[str, ...] = ()
    ) -> Sample:
        """Return the counters by pod, for those of `pods` that the server has scraped.

        Raises:
            SampleError: the query failed, or returned no series of these pods.
        """
        names = "|".join(f"{name}.*" for name in only or (PREFIX,))
        served = fresh.version_of(version)
        query = f'{{__name__=~"{names}",version={json.dumps(served)}}}'
        try:
            body = await instant_query(self._session, self._url, query)
            sample = await asyncio.to_thread(parse_answer, body, namespace, pods)
        except (ExchangeError, ValueError, RecursionError) as error:
            raise SampleError(f"no counters of {namespace}/{version}: {error}") from error
        if not sample:
            raise SampleError(
                f"no counters of {namespace}/{version}: Prometheus at {self._url} has no series "
                f"{query} of its {len(pods)} pods; it must scrape port 8080 of the pods"
            )
        return sample


async def instant_query(session: aiohttp.ClientSession, url: str, query: str) -> bytes:
    """Return the response of a server to an instant query.

    Raises:
        ExchangeError: the server did not answer, or with an error.
    """
    address = f"{url}/api/v1/query"
    return await exchange(session, "GET", address, limit=LIMIT, params={"query": query})


def parse_answer(body: bytes, namespace: str, pods: Sequence[PodRef]) -> Sample:
    """Return the counters by pod from the response of an instant query.

    Series of other namespaces and pods are omitted. A pod scraped by two jobs has each series
    twice: the larger value is the newer one.

    Raises:
        ValueError: the response is not that of a successful instant query. The message names the
            position, but quotes nothing: the body may come from any server.
    """
    names = {pod.name: pod.name for pod in pods} | {pod.ip: pod.name for pod in pods if pod.ip}
    sample: dict[str, dict[str, float]] = {}
    for place, (labels, value) in enumerate(vector(body)):
        pod = _pod(labels, names)
        name = labels.get("__name__", "")
        foreign = labels.get("namespace", namespace) != namespace
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
