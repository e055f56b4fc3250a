"""Requests that the Gateway lost, from its own counters in a Prometheus server.

A request that reaches no pod, or whose pod dies with it, is in no counter of the pods. The Gateway
counts it, so it is evidence against the version too.
"""

from __future__ import annotations

import asyncio
import math
import string
from collections.abc import Sequence

from recommender_operator.adapters.counters.prometheus import Queries, quoted_pattern, vector
from recommender_operator.adapters.counters.sample_provider import SampleError, SampleProvider
from recommender_operator.adapters.pods.bounded_http import ExchangeError
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.analysis.counter_window import GATEWAY, LOST_AT_GATEWAY
from recommender_operator.observed import Sample
from recommender_operator.resources.http_route import service_name

#: Maximum number of Gateway pods with counters of one version.
MAX_INSTANCES = 200
#: Labels that name the pod of the Gateway, in order.
_INSTANCE_LABELS = ("pod", "instance")
_UNKNOWN = "unknown"


class GatewayLosses:
    """Reads the requests that the Gateway lost on the way to a version.

    The query returns cumulative counters, one or more for each pod of the Gateway.
    """

    def __init__(self, queries: Queries, url: str, query: string.Template) -> None:
        self._queries = queries
        self._url = url
        self._query = query

    async def sample(self, namespace: str, version: str) -> Sample:
        """Return the lost requests by pod of the Gateway; empty if no request was lost.

        Raises:
            SampleError: the query failed.
        """
        # Both are quoted for a regular expression, and then for a string of PromQL.
        named = {"namespace": namespace, "service": service_name(version)}
        query = self._query.substitute({key: quoted_pattern(n) for key, n in named.items()})
        try:
            return await self._queries.ask(self._url, query, parse_losses)
        except (ExchangeError, ValueError, RecursionError) as error:
            raise SampleError(
                f"no counters of the Gateway for {namespace}/{version}: {error}; "
                "gateway.lostRequests of the chart has the query"
            ) from error


def parse_losses(body: bytes) -> Sample:
    """Return the lost requests by pod of the Gateway from the response of an instant query.

    Raises:
        ValueError: the response is not that of a successful instant query, has a value that is not
            finite, or is of more than MAX_INSTANCES pods.
    """
    lost: dict[str, float] = {}
    for place, (labels, value) in enumerate(vector(body)):
        if not math.isfinite(value):
            raise ValueError(f"data.result[{place}] is {value}")
        instance = next((labels[key] for key in _INSTANCE_LABELS if key in labels), _UNKNOWN)
        source = f"{GATEWAY}{instance}"
        lost[source] = lost.get(source, 0.0) + value
    if len(lost) > MAX_INSTANCES:
        raise ValueError(f"counters of {len(lost)} Gateway pods, at most {MAX_INSTANCES} are read")
    return {source: {LOST_AT_GATEWAY: value} for source, value in lost.items()}


class WithGateway:
    """A `SampleProvider` that adds the requests that the Gateway lost to those of the pods."""

    def __init__(self, pods: SampleProvider, gateway: GatewayLosses) -> None:
        self._pods = pods
        self._gateway = gateway

    async def sample(
        self, namespace: str, version: str, pods: Sequence[PodRef], *, only: tuple[str, ...] = ()
    ) -> Sample:
        """Return the counters by pod, and the lost requests unless `only` excludes them.

        Raises:
            SampleError: no pod returned counters, or the Gateway's are unknown.
        """
        if only and not LOST_AT_GATEWAY.startswith(only):
            return await self._pods.sample(namespace, version, pods, only=only)
        of_pods, lost = await asyncio.gather(
            self._pods.sample(namespace, version, pods, only=only),
            self._gateway.sample(namespace, version),
        )
        return {**of_pods, **lost}
