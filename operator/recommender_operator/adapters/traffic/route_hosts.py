"""The hosts of the Gateway: other routes with the host of a model.

All models share one index, which is read about once a minute, and before a route gets a host. No
cache has these routes, which are mostly those of others, so of a list only the fields that count
are parsed. An operator that watches only some namespaces sees only the routes of these.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from recommender_operator.adapters.kinds import GRPC_ROUTES, HTTP_ROUTES
from recommender_operator.api import host_names
from recommender_operator.controller.kube import Kube
from recommender_operator.observed import ModelObject, Rival
from recommender_operator.resources.options import Options

#: Lifetimes of the index, in seconds: for a route that keeps its host, and before a route gets a
#: host. The latter limits the lists for a model that waits for a host.
FRESH, FRESH_TO_WRITE = 60.0, 5.0
GATEWAY_GROUP = "gateway.networking.k8s.io"
_FIRST = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class _Parent(msgspec.Struct, rename="camel", gc=False):
    name: str | None = None
    group: str | None = GATEWAY_GROUP
    kind: str | None = "Gateway"
    namespace: str | None = None
    section_name: str | None = None


class _Spec(msgspec.Struct, rename="camel", gc=False):
    parent_refs: list[_Parent] | None = None
    hostnames: list[str] | None = None


class _Metadata(msgspec.Struct, rename="camel", gc=False):
    name: str
    namespace: str
    creation_timestamp: datetime.datetime | None = None
    deletion_timestamp: str | None = None


class _Route(msgspec.Struct, gc=False):
    """The fields of a route that count; its CRD may be older than its rules: any may be null."""

    metadata: _Metadata
    spec: _Spec | None = None


@dataclasses.dataclass(frozen=True)
class _Index:
    """The Gateway's routes by host, and those with wildcards."""

    exact: Mapping[str, Sequence[Rival]]
    wild: Sequence[Rival]

    def of(self, hosts: Collection[str]) -> set[Rival]:
        found = {rival for host in hosts for rival in self.exact.get(host, ())}
        return found | {
            rival
            for rival in self.wild
            if any(host_names.covers(pattern, host) for pattern in rival.hosts for host in hosts)
        }


class HostReader:
    """Lists the routes of the operator's namespaces, and caches their hosts."""

    def __init__(
        self,
        kube: Kube,
        options: Options,
        namespaces: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`namespaces` are those that the operator watches; all if empty."""
        self._kube = kube
        self._options = options
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._clock = clock
        self._reading = asyncio.Lock()
        self._read_at = -FRESH
        self._index = _Index({}, ())

    async def rivals(
        self, model: ModelObject, hosts: Collection[str], *, to_write: bool
    ) -> tuple[Rival, ...]:
        """Return the Gateway's other routes with one of the hosts, in a stable order.

        `to_write`: whether the model's route is about to get one of them.
        """
        fresh = FRESH_TO_WRITE if to_write else FRESH
        async with self._reading:
            if self._clock() - self._read_at >= fresh:
                self._index = await self._read()
                self._read_at = self._clock()
        found = self._index.of(hosts)
        return tuple(sorted((r for r in found if not _is_own(r, model)), key=_place))

    async def _read(self) -> _Index:
        http, grpc = await asyncio.gather(
            asyncio.gather(
                *(self._kube.list_fields(HTTP_ROUTES, n, _Route) for n in self._namespaces)
            ),
            asyncio.gather(
                *(self._kube.list_fields(GRPC_ROUTES, n, _Route) for n in self._namespaces)
            ),
        )
        return _indexed(
            _rival(kind, route)
            for kind, lists in (("HTTPRoute", http), ("GRPCRoute", grpc))
            for routes in lists
            for route in routes
            if self._is_attached(route)
        )

    def _is_attached(self, route: _Route) -> bool:
        """Return whether a route may share a listener with the operator's routes."""
        if route.metadata.deletion_timestamp:
            return False
        here = route.metadata.namespace
        options = self._options
        for parent in (route.spec and route.spec.parent_refs) or ():
            gateway = (parent.group, parent.kind, parent.namespace or here, parent.name)
            place = options.gateway_namespace or here
            section = parent.section_name or ""
            if gateway == (GATEWAY_GROUP, "Gateway", place, options.gateway_name) and (
                not section or section == (options.gateway_section or section)
            ):
                return True
        return False


def _rival(kind: str, route: _Route) -> Rival:
    hosts = (route.spec and route.spec.hostnames) or ()
    return Rival(
        kind=kind,
        namespace=route.metadata.namespace,
        name=route.metadata.name,
        hosts=tuple(sorted(host.lower() for host in hosts)),
        created_at=route.metadata.creation_timestamp or _FIRST,
    )


def _indexed(rivals: Iterable[Rival]) -> _Index:
    exact: dict[str, list[Rival]] = {}
    wild = []
    for rival in rivals:
        if any(host.startswith("*.") for host in rival.hosts):
            wild.append(rival)
        for host in rival.hosts:
            if not host.startswith("*."):
                exact.setdefault(host, []).append(rival)
    return _Index(exact, wild)


def _is_own(rival: Rival, model: ModelObject) -> bool:
    return (rival.kind, rival.namespace, rival.name) == ("HTTPRoute", model.namespace, model.name)


def _place(rival: Rival) -> tuple[str, str, str]:
    return rival.kind, rival.namespace, rival.name
