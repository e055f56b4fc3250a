"""The index of hosts: which routes count, and how often they are listed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from recommender_operator.adapters.kinds import GRPC_ROUTES, HTTP_ROUTES
from recommender_operator.adapters.traffic.route_hosts import FRESH, FRESH_TO_WRITE, HostReader
from recommender_operator.controller.kube import Resource
from tests.fakes.kube import FakeKube
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model

HOST = "films.shop.example"
GATE = {"name": "gate", "namespace": "gate-system"}


def put(
    kube: FakeKube,
    *hosts: str,
    name: str = "other",
    namespace: str = "news",
    parent: dict[str, Any] | None = None,
    kind: Resource = HTTP_ROUTES,
) -> dict[str, Any]:
    spec: dict[str, Any] = {"parentRefs": [GATE if parent is None else parent]}
    if hosts:
        spec["hostnames"] = list(hosts)
    return kube.put(kind, {"metadata": {"name": name, "namespace": namespace}, "spec": spec})


async def rivals(kube: FakeKube, *namespaces: str) -> list[str]:
    reader = HostReader(kube, OPTIONS, namespaces)
    found = await reader.rivals(model(), {HOST}, to_write=True)
    return [f"{r.kind} {r.namespace}/{r.name}" for r in found]


async def test_routes_of_both_kinds_that_have_the_host_are_found() -> None:
    kube = FakeKube()
    put(kube, HOST, "a.example")
    put(kube, HOST, name="rpc", kind=GRPC_ROUTES)
    put(kube, "*.shop.example", name="wild")
    put(kube, "b.shop.example", name="beside")
    put(kube, name="fallback")
    assert await rivals(kube) == [
        "GRPCRoute news/rpc",
        "HTTPRoute news/other",
        "HTTPRoute news/wild",
    ]


async def test_a_models_own_route_is_not_a_rival_but_one_in_another_namespace_is() -> None:
    kube = FakeKube()
    put(kube, HOST, name="movies", namespace="team")
    put(kube, HOST, name="movies", namespace="news")
    put(kube, HOST, name="movies", namespace="team", kind=GRPC_ROUTES)
    assert await rivals(kube) == ["GRPCRoute team/movies", "HTTPRoute news/movies"]


@pytest.mark.parametrize(
    ("parent", "shares"),
    [
        ({**GATE, "sectionName": "web"}, True),
        ({**GATE, "sectionName": "internal"}, False),
        ({**GATE, "kind": "Gateway", "group": "gateway.networking.k8s.io"}, True),
        ({**GATE, "kind": "Service", "group": ""}, False),
        ({"name": "gate"}, False),
        ({"name": "gate", "namespace": "elsewhere"}, False),
        ({"name": "another", "namespace": "gate-system"}, False),
    ],
)
async def test_only_routes_that_may_share_a_listener_count(
    parent: dict[str, Any], shares: bool
) -> None:
    kube = FakeKube()
    put(kube, HOST, parent=parent)
    assert bool(await rivals(kube)) is shares


async def test_a_route_being_deleted_holds_nothing() -> None:
    kube = FakeKube()
    put(kube, HOST)["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert await rivals(kube) == []


async def test_routes_without_fields_that_others_have_are_the_fallback_or_unattached() -> None:
    """The CRDs of a Gateway may be older than their rules."""
    kube = FakeKube()
    put(kube, HOST)["metadata"]["creationTimestamp"] = None
    put(kube, name="nothing")["spec"] = None
    put(kube, name="empty")["spec"] = {"parentRefs": None, "hostnames": None}
    put(kube, name="fallback")["spec"]["hostnames"] = None
    assert await rivals(kube) == ["HTTPRoute news/other"]


async def test_an_operator_of_some_namespaces_lists_these_alone() -> None:
    kube = FakeKube()
    put(kube, HOST, namespace="news")
    put(kube, HOST, namespace="shop")
    put(kube, HOST, namespace="secret")
    assert await rivals(kube, "news", "shop") == ["HTTPRoute news/other", "HTTPRoute shop/other"]


async def test_the_fleet_shares_one_list_a_minute_and_a_new_host_is_looked_up_at_once() -> None:
    kube, time = FakeKube(), 0.0
    reader = HostReader(kube, OPTIONS, clock=lambda: time)

    async def look(*, to_write: bool = False) -> int:
        await asyncio.gather(
            *(reader.rivals(model(), {HOST}, to_write=to_write) for _ in range(10))
        )
        return kube.reads.count(("list fields", "httproutes"))

    assert await look() == 1
    time = FRESH - 1
    assert await look() == 1
    assert await look(to_write=True) == 2
    time += FRESH_TO_WRITE - 1
    assert await look(to_write=True) == 2
    time += 1
    assert await look(to_write=True) == 3
    time += FRESH
    assert await look() == 4


async def test_a_host_in_other_letters_is_the_same_host() -> None:
    """The CRDs of a Gateway may be older than their rule for lower case."""
    kube = FakeKube()
    put(kube, HOST.upper())
    put(kube, "*.SHOP.example", name="wild")
    assert await rivals(kube) == ["HTTPRoute news/other", "HTTPRoute news/wild"]
