"""The traffic port over the Gateway API: an InferenceService a version, one weighted HTTPRoute."""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.adapters.kube import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    KINDS,
    Kube,
    Object,
)
from recommender_operator.adapters.owned_writes import OwnedObjects
from recommender_operator.adapters.traffic import (
    Subject,
    TrafficView,
    ready_condition,
    service_state,
)
from recommender_operator.observed import ServiceState, TrafficState
from recommender_operator.resources import http_route, inference_service, labels
from recommender_operator.resources.options import Options
from recommender_operator.resources.ownership import foreign, owned_by


class GatewayTraffic:
    """KServe in Standard mode; the route is the operator's own."""

    def __init__(self, kube: Kube, options: Options) -> None:
        self._kube = kube
        self._objects = OwnedObjects(kube)
        self._options = options

    async def observe(self, subject: Subject) -> TrafficView:
        model = subject.model
        found = await self._kube.list(
            INFERENCE_SERVICES, model.namespace, labels.of_model(model.name)
        )
        subject.seen.read(INFERENCE_SERVICES, found)
        digest = inference_service.serving_digest(model.spec.serving)
        services: dict[str, ServiceState] = {}
        for service in found:
            if not owned_by(service, subject.owners):
                continue
            version = (service["metadata"].get("labels") or {}).get(labels.VERSION)
            if not version or service["metadata"].get("deletionTimestamp"):
                continue
            annotations = service["metadata"].get("annotations") or {}
            services[version] = service_state(
                version,
                owner=service,
                condition=ready_condition(service),
                pods=subject.pods.get(version, ()),
                outdated=annotations.get(labels.SERVING_DIGEST) != digest,
            )
        route = await self._kube.get(HTTP_ROUTES, model.namespace, model.name)
        subject.seen.read(HTTP_ROUTES, [route] if route is not None else [])
        if route is None or owned_by(route, subject.owners):
            return TrafficView(services=services, traffic=route_state(route))
        other = foreign(KINDS[HTTP_ROUTES], route)
        nothing = TrafficState(message=other.message)
        return TrafficView(services=services, traffic=nothing, foreign=(other,))

    async def ensure(self, subject: Subject, version: str) -> None:
        manifest = inference_service.standard(
            subject.model, subject.versions[version], self._options
        )
        await self._objects.apply(INFERENCE_SERVICES, manifest, subject.claim)

    async def release(self, subject: Subject, version: str) -> None:
        namespace = subject.model.namespace
        await self._objects.delete(INFERENCE_SERVICES, namespace, version, subject.claim)

    async def split(self, subject: Subject, weights: Mapping[str, int]) -> None:
        manifest = http_route.http_route(subject.model, weights, self._options)
        await self._objects.apply(HTTP_ROUTES, manifest, subject.claim)

    async def withdraw(self, subject: Subject) -> None:
        namespace, name = subject.model.namespace, subject.model.name
        await self._objects.delete(HTTP_ROUTES, namespace, name, subject.claim)


def route_state(route: Object | None) -> TrafficState:
    """Return the split of a route, and whether every parent has taken this generation over."""
    if route is None or route["metadata"].get("deletionTimestamp"):
        return TrafficState()
    weights = http_route.weights_of(route)
    wanted = len(route["spec"].get("parentRefs") or [])
    parents = route.get("status", {}).get("parents") or []
    if not parents or len(parents) < wanted:
        message = "no Gateway controller has taken the HTTPRoute over; check its parentRefs"
        return TrafficState(weights=weights, message=message)
    generation = int(route["metadata"].get("generation") or 0)
    for parent in parents:
        for kind in ("Accepted", "ResolvedRefs"):
            problem = _problem(parent, kind, generation)
            if problem:
                return TrafficState(weights=weights, message=problem)
    return TrafficState(weights=weights, accepted=True)


def _problem(parent: Object, kind: str, generation: int) -> str:
    condition = next((c for c in parent.get("conditions") or [] if c.get("type") == kind), None)
    if condition is None:
        return f"the Gateway controller has not yet said {kind}"
    if int(condition.get("observedGeneration") or 0) < generation:
        return f"the Gateway controller has not yet seen generation {generation} of the HTTPRoute"
    if condition.get("status") != "True":
        return f"{kind} is {condition.get('status')}: {condition.get('reason')} " + str(
            condition.get("message") or ""
        )
    return ""
