"""The APIs of the cluster, checked at most every half minute."""

from __future__ import annotations

import time
from collections.abc import Callable

from recommender_operator.adapters.kinds import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOB_SETS,
    REVISIONS,
    SCALED_OBJECTS,
    TRAIN_JOBS,
    TRAINING_RUNTIMES,
)
from recommender_operator.api.spec import RecommenderModelSpec, TrafficMode
from recommender_operator.api.spec_autoscaling import Engine
from recommender_operator.controller.kube import Kube, Resource
from recommender_operator.observed import Platform
from recommender_operator.resources.options import Options

#: Lifetime of a cached result, in seconds.
FRESH = 30.0
NEEDED: dict[TrafficMode, tuple[Resource, ...]] = {
    TrafficMode.GATEWAY: (INFERENCE_SERVICES, HTTP_ROUTES),
    TrafficMode.KNATIVE: (INFERENCE_SERVICES, REVISIONS),
}
#: Resources of Kubeflow Trainer v2, and of JobSet, which it uses.
NEEDED_BY_WORKERS = (TRAIN_JOBS, TRAINING_RUNTIMES, JOB_SETS)


class PlatformReader:
    """Uses discovery, which every account may read, so no access to CRDs is needed."""

    def __init__(
        self, kube: Kube, options: Options, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kube = kube
        self._options = options
        self._clock = clock
        self._known: dict[Resource, tuple[float, bool]] = {}

    async def of(self, spec: RecommenderModelSpec) -> Platform:
        """Return the names of the CRDs that the cluster lacks for a model."""
        scaling = spec.serving.autoscaling
        by_keda = scaling is not None and scaling.engine is Engine.KEDA
        return await self.read(spec.rollout.traffic, spec.training.workers, by_keda=by_keda)

    async def read(
        self, mode: TrafficMode, workers: int = 1, *, by_keda: bool = False
    ) -> Platform:
        """Return the names of the missing CRDs for a mode, a number of workers, and KEDA."""
        needed = NEEDED_BY_WORKERS if workers > 1 else ()
        scaling = (SCALED_OBJECTS,) if by_keda and self._options.keda else ()
        return Platform(
            missing=await self._lacks(NEEDED[mode]),
            missing_for_workers=await self._lacks(needed),
            missing_for_scaling=await self._lacks(scaling),
            keda=self._options.keda,
            keda_prometheus_url=self._options.keda_prometheus_url,
            domain=self._options.domain,
            host_policy=self._options.host_policy,
            prometheus_urls=self._options.prometheus_urls,
            service_accounts=self._options.service_accounts,
            collector=bool(self._options.collector_url),
            store=bool(self._options.store_url),
            collector_namespace=self._options.store_namespace,
        )

    async def _lacks(self, needed: tuple[Resource, ...]) -> tuple[str, ...]:
        return tuple([need.name for need in needed if not await self._has(need)])

    async def _has(self, resource: Resource) -> bool:
        known = self._known.get(resource)
        if known is not None and self._clock() - known[0] < FRESH:
            return known[1]
        found = await self._kube.serves(resource)
        self._known[resource] = (self._clock(), found)
        return found
