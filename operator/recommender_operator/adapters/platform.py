"""What the cluster offers, looked up at most every half minute."""

from __future__ import annotations

import time
from collections.abc import Callable

from recommender_operator.adapters.kube import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    REVISIONS,
    Kube,
    Resource,
)
from recommender_operator.api.spec import TrafficMode
from recommender_operator.observed import Platform

#: How long an answer counts, in seconds.
FRESH = 30.0
NEEDED: dict[TrafficMode, tuple[Resource, ...]] = {
    TrafficMode.GATEWAY: (INFERENCE_SERVICES, HTTP_ROUTES),
    TrafficMode.KNATIVE: (INFERENCE_SERVICES, REVISIONS),
}


class PlatformReader:
    """Asks by discovery, which every account may: no right to read CRDs is needed."""

    def __init__(
        self, kube: Kube, domain: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kube = kube
        self._domain = domain
        self._clock = clock
        self._known: dict[Resource, tuple[float, bool]] = {}

    async def read(self, mode: TrafficMode) -> Platform:
        """Return what is missing for a traffic mode, by the names of the CRDs."""
        missing = [need.name for need in NEEDED[mode] if not await self._has(need)]
        return Platform(missing=tuple(missing), domain=self._domain)

    async def _has(self, resource: Resource) -> bool:
        known = self._known.get(resource)
        if known is not None and self._clock() - known[0] < FRESH:
            return known[1]
        found = await self._kube.serves(resource)
        self._known[resource] = (self._clock(), found)
        return found
