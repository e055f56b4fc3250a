"""Reads of a pass that no cache has: claims, foreign routes, the cluster's APIs, erasures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recommender_operator.adapters.counters.collector_client import ErasuresReader, NoCollector
from recommender_operator.adapters.objects.platform import PlatformReader
from recommender_operator.adapters.objects.volume_claims import ClaimReader
from recommender_operator.adapters.traffic.route_hosts import HostReader
from recommender_operator.api.spec import RecommenderModelSpec, TrafficMode
from recommender_operator.context import host_check as hosts
from recommender_operator.observed import (
    Claim,
    CollectorReading,
    ModelObject,
    Platform,
    Rival,
    VersionObject,
)

Claims = Mapping[str, Claim | None]


class UncachedReads:
    """Reads at most once in the lifetimes that the readers have."""

    def __init__(
        self,
        *,
        claims: ClaimReader,
        platform: PlatformReader,
        hosts: HostReader,
        erasures: ErasuresReader | None = None,
    ) -> None:
        self._erasures = erasures or NoCollector()
        self._claims = claims
        self._platform = platform
        self._hosts = hosts

    async def platform(self, spec: RecommenderModelSpec) -> Platform:
        """Return the APIs that the cluster lacks for a model."""
        return await self._platform.of(spec)

    async def claims(self, model: ModelObject) -> Claims:
        """Return the claims that a model names."""
        return await self._claims.read(model.namespace, _claims_of(model))

    async def rivals(
        self,
        model: ModelObject,
        versions: Iterable[VersionObject],
        held: str,
        platform: Platform,
    ) -> tuple[Rival, ...]:
        """Return other routes with the desired host of the model, or with the one it holds."""
        relevant = _hosts_of(model, held, platform)
        if not relevant:
            return ()
        to_write = hosts.wanted(model, platform.domain) != held and hosts.is_routed(versions)
        return await self._hosts.rivals(model, relevant, to_write=to_write)

    async def erasures(self, model: ModelObject) -> CollectorReading:
        """Return how far the erasures of a model are."""
        return await self._erasures.erasures(model.namespace, model.name)


def _claims_of(model: ModelObject) -> frozenset[str]:
    places = (model.spec.storage, model.spec.data.source)
    return frozenset(each.persistent_volume_claim.claim_name for each in places)


def _hosts_of(model: ModelObject, held: str, platform: Platform) -> frozenset[str]:
    """Return the desired and the current host; none where the operator sets none."""
    if platform.missing or model.deleting:
        return frozenset()
    if model.spec.rollout.traffic is not TrafficMode.GATEWAY:
        return frozenset()
    return frozenset({hosts.wanted(model, platform.domain), held} - {""})
