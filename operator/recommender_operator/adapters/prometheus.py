"""The same counters from a Prometheus server, for clusters that do not let pods be scraped."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from typing import Any

import aiohttp

from recommender_operator.adapters.http import ExchangeError, exchange
from recommender_operator.adapters.ports import PodRef, SampleError
from recommender_operator.analysis.series import PREFIX, canonical
from recommender_operator.analysis.window import CREATED
from recommender_operator.observed import Sample

#: Bytes of one answer: some hundred pods.
LIMIT = 64 * 2**20
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
#: Labels that name the pod, in order; `instance` where the scrape job sets neither.
POD_LABELS = ("pod", "pod_name", "kubernetes_pod_name", "instance")


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

    async def sample(self, namespace: str, version: str, pods: Sequence[PodRef]) -> Sample:
        """Return the counters by pod, of those among `pods` that the server has scraped.

        Raises:
            SampleError: the server gave no answer, or no series of these pods.
        """
        query = f'{{__name__=~"{PREFIX}.*",version={json.dumps(version)}}}'
        try:
            body = await exchange(
                self._session,
                "GET",
                f"{self._url}/api/v1/query",
                limit=LIMIT,
                params={"query": query},
            )
            sample = await asyncio.to_thread(parse_answer, body, namespace, pods)
        except (ExchangeError, ValueError) as error:
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
        ValueError: the answer is not one of an instant query that succeeded.
    """
    names = {pod.name: pod.name for pod in pods} | {pod.ip: pod.name for pod in pods if pod.ip}
    sample: dict[str, dict[str, float]] = {}
    for labels, value in _vector(body):
        pod = _pod(labels, names)
        name = labels.get("__name__", "")
        foreign = labels.get("namespace", namespace) != namespace
        if pod is None or foreign or (name.endswith("_created") and name != CREATED):
            continue
        if not math.isfinite(value):
            raise ValueError(f"{name} of {pod} is {value}")
        counters = sample.setdefault(pod, {})
        key = canonical(name, labels)
        counters[key] = max(value, counters.get(key, value))
    return sample


def _pod(labels: dict[str, str], names: dict[str, str]) -> str | None:
    for label in POD_LABELS:
        if label in labels:
            value = labels[label]
            return names.get(value) or names.get(value.rpartition(":")[0].strip("[]"))
    return None


def _vector(body: bytes) -> list[tuple[dict[str, str], float]]:
    try:
        answer: Any = json.loads(body)
        if answer["status"] != "success":
            raise ValueError(f"Prometheus answered {answer.get('error', answer)}")
        data = answer["data"]
        if data["resultType"] != "vector":
            raise ValueError(f"Prometheus answered a {data['resultType']}, not a vector")
        return [(dict(row["metric"]), float(row["value"][1])) for row in data["result"]]
    except (KeyError, TypeError, IndexError, AttributeError, UnicodeDecodeError) as error:
        text = body[:200].decode("utf-8", "replace")
        raise ValueError(f"not an answer of Prometheus: {text}") from error
    except json.JSONDecodeError as error:
        text = body[:200].decode("utf-8", "replace")
        raise ValueError(f"not an answer of Prometheus: {text}") from error
