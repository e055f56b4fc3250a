"""The same counters from a Prometheus server, for clusters that do not let pods be scraped."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Collection, Sequence
from typing import Any

import aiohttp

from recommender_operator.adapters.http import ExchangeError, exchange
from recommender_operator.adapters.json_types import json_type
from recommender_operator.adapters.ports import PodRef, SampleError, SampleProvider
from recommender_operator.analysis.series import PREFIX, canonical
from recommender_operator.analysis.window import CREATED
from recommender_operator.api import base_url
from recommender_operator.observed import Sample

#: Bytes of one answer: some hundred pods.
LIMIT = 64 * 2**20
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
#: Labels that name the pod, in order; `instance` where the scrape job sets neither.
POD_LABELS = ("pod", "pod_name", "kubernetes_pod_name", "instance")
#: The server's own words for why a query failed (its HTTP API); no other text is shown.
ERROR_TYPES = frozenset(
    {"bad_data", "canceled", "execution", "internal", "not_found", "timeout", "unavailable"}
)
NO_ANSWER = "not an answer of Prometheus"


def provider(session: aiohttp.ClientSession, url: str, allowed: Collection[str]) -> SampleProvider:
    """Return what asks the server at `url`, or refuses to; `allowed` are normalised addresses.

    An allowed name may resolve to any address, so who writes its DNS record is trusted with it.
    """
    refusal = base_url.refusal(url, allowed)
    return NotAllowed(refusal) if refusal else Prometheus(session, base_url.normalise(url))


class NotAllowed:
    """A `SampleProvider` in place of a server that the operator may not ask."""

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
        """Send no request.

        Raises:
            SampleError: always, with the remedy.
        """
        raise SampleError(f"no counters of {namespace}/{version}: {self._refusal}")


class Prometheus:
    """A `SampleProvider` that asks a Prometheus server for the last values it scraped.

    It uses instant queries of the plain counters: differences are taken by the operator, because
    `increase()` extrapolates and gives fractions of requests.
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
        """Return the counters by pod, of those among `pods` that the server has scraped.

        Raises:
            SampleError: the server gave no answer, or no series of these pods.
        """
        names = "|".join(f"{name}.*" for name in only or (PREFIX,))
        query = f'{{__name__=~"{names}",version={json.dumps(version)}}}'
        try:
            body = await exchange(
                self._session,
                "GET",
                f"{self._url}/api/v1/query",
                limit=LIMIT,
                params={"query": query},
            )
            sample = await asyncio.to_thread(parse_answer, body, namespace, pods)
        except (ExchangeError, ValueError, RecursionError) as error:
            raise SampleError(f"no counters of {namespace}/{version}: {error}") from error
        if not sample:
            raise SampleError(
                f"no counters of {namespace}/{version}: Prometheus at {self._url} has no series "
                f"{query} of its {len(pods)} pods; it must scrape port 8080 of the pods"
            )
        return sample


def parse_answer(body: bytes, namespace: str, pods: Sequence[PodRef]) -> Sample:
    """Return the counters by pod in the answer of an instant query.

    A series of another namespace, or of a pod that is not asked for, is left out. A pod scraped by
    two jobs has each series twice: the larger value is the newer one.

    Raises:
        ValueError: the answer is not one of an instant query that succeeded. The text says where,
            and quotes nothing: the body may be of any server.
    """
    names = {pod.name: pod.name for pod in pods} | {pod.ip: pod.name for pod in pods if pod.ip}
    sample: dict[str, dict[str, float]] = {}
    for place, (labels, value) in enumerate(_vector(body)):
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


def _vector(body: bytes) -> list[tuple[dict[str, str], float]]:
    """Return the rows of an answer."""
    try:
        answer: Any = json.loads(body)
    except json.JSONDecodeError as error:
        raise ValueError(f"{NO_ANSWER}: invalid JSON at character {error.pos}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{NO_ANSWER}: {type(error).__name__}") from None
    if not isinstance(answer, dict):
        raise ValueError(f"{NO_ANSWER}: {json_type(answer)}, not an object")
    if answer.get("status") != "success":
        kind = answer.get("errorType")
        known = kind if isinstance(kind, str) and kind in ERROR_TYPES else "none that is known"
        raise ValueError(f"Prometheus answered no success; its errorType is {known}")
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
