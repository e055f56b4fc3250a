"""Reads of a pass that no cache has: claims, foreign routes, the cluster's APIs, erasures."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping

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
    Observed,
    Platform,
    Rival,
    VersionObject,
)
from recommender_operator.resources import scaled_objects

Claims = Mapping[str, Claim | None]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """The answers for a model; small, because they are kept for each model at rest."""

    namespace: str
    name: str
    claims: frozenset[str]
    hosts: frozenset[str]
    traffic: TrafficMode
    workers: int
    by_keda: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """The answers, as a decision uses them."""

    claims: Claims
    rivals: tuple[Rival, ...]
    platform: Platform
    erasures: CollectorReading | None


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

    def again(self, observed: Observed) -> Callable[[], Awaitable[Answers]]:
        """Return a function that reads all of it again for a model."""
        return functools.partial(self._read, _asked(observed))

    async def _read(self, asked: _Asked) -> Answers:
        """Read all of it again.

        Raises:
            KubeError: the API server failed.
        """
        claims, platform, rivals, erasures = await asyncio.gather(
            self._claims.read(asked.namespace, asked.claims),
            self._platform.read(asked.traffic, asked.workers, by_keda=asked.by_keda),
            self._again(asked),
            self._erasures.erasures(asked.namespace, asked.name),
        )
        return Answers(claims=claims, rivals=rivals, platform=platform, erasures=erasures)

    async def _again(self, asked: _Asked) -> tuple[Rival, ...]:
        if not asked.hosts:
            return ()
        return await self._hosts.rivals(asked, asked.hosts, to_write=False)


def _asked(observed: Observed) -> _Asked:
    model = observed.model
    return _Asked(
        namespace=model.namespace,
        name=model.name,
        claims=_claims_of(model),
        hosts=_hosts_of(model, observed.traffic.host, observed.platform),
        traffic=model.spec.rollout.traffic,
        workers=model.spec.training.workers,
        by_keda=scaled_objects.wanted(model.spec.serving),
    )


def answers(observed: Observed) -> Answers:
    """Return the answers to the reads of a pass."""
    return Answers(
        claims=observed.claims,
        rivals=observed.rivals,
        platform=observed.platform,
        erasures=observed.erasures,
    )


def _claims_of(model: ModelObject) -> frozenset[str]:
    spec = model.spec
    return frozenset({spec.storage.claim_name, spec.data.source.claim_name})


def _hosts_of(model: ModelObject, held: str, platform: Platform) -> frozenset[str]:
    """Return the desired and the current host; none where the operator sets none."""
    if platform.missing or model.deleting:
        return frozenset()
    if model.spec.rollout.traffic is not TrafficMode.GATEWAY:
        return frozenset()
    return frozenset({hosts.wanted(model, platform.domain), held} - {""})
