"""Traffic by the Gateway API: one InferenceService per version, and a weighted HTTPRoute."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

from recommender_operator.adapters.kinds import (
    BUDGETS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    KINDS,
    NETWORK_POLICIES,
)
from recommender_operator.adapters.objects.owned_writes import Claim, OwnedObjects
from recommender_operator.adapters.pods import pod_states as podstates
from recommender_operator.adapters.traffic.accepted_routes import route_state
from recommender_operator.adapters.traffic.refused_services import RefusedServices
from recommender_operator.adapters.traffic.scaler_engine import SCALERS
from recommender_operator.adapters.traffic.traffic_port import (
    Subject,
    TrafficView,
    ready_condition,
    service_state,
)
from recommender_operator.api.spec import ServingSpec
from recommender_operator.controller.kube import Kube, Object
from recommender_operator.observed import PLAIN, Routing, ServiceState, TrafficState
from recommender_operator.resources import (
    autoscaling,
    baseline_deployment_names,
    disruption_budgets,
    http_route,
    inference_service,
    labels,
    network_policies,
    requested_memory,
)
from recommender_operator.resources.labels import Component
from recommender_operator.resources.options import Options
from recommender_operator.resources.ownership import (
    Foreign,
    controller_of,
    foreign,
    is_kept_with_model,
    is_the_same,
    outlived_version,
    owned_by,
    with_owners,
)


class GatewayTraffic:
    """KServe in Standard mode, with the operator's own route."""

    def __init__(
        self, kube: Kube, options: Options, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kube = kube
        self._objects = OwnedObjects(kube)
        self._scalers = SCALERS(kube, options, clock)
        self._options = options
        self._refused = RefusedServices()

    async def observe(self, subject: Subject) -> TrafficView:
        model = subject.model
        found = await self._kube.list(
            INFERENCE_SERVICES, model.namespace, labels.of_model(model.name)
        )
        subject.seen.read(INFERENCE_SERVICES, found)
        beside, by_engine = await self._beside(subject), await self._scalers.read(subject)
        lacking = _lacking(beside, self._options)
        services, others = _services(
            subject,
            found,
            lambda version, service: (
                lacking(str(service["metadata"]["uid"]))
                or self._scalers.keeps_replicas(subject, version, service)
                or self._scalers.lacks(subject, version, service, by_engine=by_engine)
            ),
        )
        route = await self._kube.get(HTTP_ROUTES, model.namespace, model.name)
        subject.seen.read(HTTP_ROUTES, [route] if route is not None else [])
        if route is None or owned_by(route, subject.owners):
            state = route_state(route)
        else:
            others.append(foreign(KINDS[HTTP_ROUTES], route))
            state = TrafficState(message=others[-1].message)
        state = dataclasses.replace(state, refused=self._refused.of(model))
        own = [(name, it) for it in found if (name := it["metadata"]["name"]) in services]
        scaling = self._scalers.state(subject, own, by_engine=by_engine)
        return TrafficView(
            services=services,
            traffic=state,
            foreign=tuple(others),
            scaling=scaling,
            to_adopt=_to_adopt(subject, own),
        )

    async def _beside(self, subject: Subject) -> list[Object]:
        """Return the objects that services own, and which are current."""
        model = subject.model
        marks = labels.of_model(model.name)
        budgets = await self._kube.list(BUDGETS, model.namespace, marks)
        subject.seen.read(BUDGETS, budgets)
        if not self._options.isolate_triton:
            return budgets
        policies = await self._kube.list(NETWORK_POLICIES, model.namespace, marks)
        subject.seen.read(NETWORK_POLICIES, policies)
        current = [
            policy for policy in policies if network_policies.is_current(policy, self._options)
        ]
        return [*budgets, *current]

    async def ensure(self, subject: Subject, version: str, *, optional: bool = False) -> None:
        if not optional and not baseline_deployment_names.is_fresh(version):
            await self._ensure(subject, version)
            return
        with self._refused.noted(subject.model, version):
            await self._ensure(subject, version)

    async def adopt(self, subject: Subject, version: str) -> None:
        service = subject.seen.get(INFERENCE_SERVICES, version)
        if service is not None:
            made = labels.of_service(
                subject.model, subject.versions[baseline_deployment_names.version_of(version)]
            )
            owners = with_owners(service, made)
            await self._objects.adopt(INFERENCE_SERVICES, service, owners, subject.claim)

    async def _ensure(self, subject: Subject, version: str) -> None:
        stored = subject.seen.get(INFERENCE_SERVICES, version)
        if (
            stored is not None
            and owned_by(stored, subject.owners)
            and not is_kept_with_model(stored, subject.model)
        ):
            await self.adopt(subject, version)  # An earlier release made it.
        service = self._current(subject, version)
        if service is None:
            served = subject.versions[baseline_deployment_names.version_of(version)]
            manifest = inference_service.standard(
                subject.model, served, self._options, name=version
            )
            if self._scalers.has_engine(subject, version):
                autoscaling.leave_replicas(manifest)
            service = await self._objects.apply(INFERENCE_SERVICES, manifest, subject.claim)
        # The service owns what follows, so that it is deleted with the service.
        owners = {*subject.claim.owners, service["metadata"]["uid"]}
        claim = dataclasses.replace(subject.claim, owners=owners)
        # First of all, because a foreign budget or autoscaler ends this call.
        if self._options.isolate_triton:
            await self._isolate(subject, version, service, claim)
        await self._limit_disruption(subject, version, service, claim)
        await self._scalers.ensure(subject, version, service, claim)

    def _current(self, subject: Subject, version: str) -> Object | None:
        """Return the stored service of a version if it has the current settings.

        To apply it again would restart its pods after an upgrade, which changes their images, when
        only something beside it is missing or outdated.
        """
        stored = subject.seen.get(INFERENCE_SERVICES, version)
        if stored is None or not owned_by(stored, subject.owners):
            return None
        metadata = stored["metadata"]
        same = inference_service.is_current(metadata.get("annotations"), subject.model.spec)
        same = same and not self._scalers.keeps_replicas(subject, version, stored)
        return stored if same and not metadata.get("deletionTimestamp") else None

    async def release(self, subject: Subject, version: str) -> None:
        namespace = subject.model.namespace
        await self._objects.delete(INFERENCE_SERVICES, namespace, version, subject.claim)

    async def _isolate(
        self, subject: Subject, version: str, service: Object, claim: Claim
    ) -> None:
        """Apply the NetworkPolicies that are missing or were made from other settings."""
        for policy in network_policies.policies(subject.model, version, service, self._options):
            seen = subject.seen.get(NETWORK_POLICIES, policy["metadata"]["name"])
            current = seen is not None and network_policies.is_current(seen, self._options)
            if seen is None or not (current and is_the_same(seen, policy)):
                await self._objects.apply(NETWORK_POLICIES, policy, claim)

    async def _limit_disruption(
        self, subject: Subject, version: str, service: Object, claim: Claim
    ) -> None:
        """Apply the missing budgets."""
        for component in Component:
            budget = disruption_budgets.budget(subject.model.name, version, component, service)
            seen = subject.seen.get(BUDGETS, budget["metadata"]["name"])
            if not is_the_same(seen, budget):
                await self._objects.apply(BUDGETS, budget, claim)

    async def split(
        self,
        subject: Subject,
        weights: Mapping[str, int],
        host: str = "",
        routing: Routing = PLAIN,
    ) -> None:
        manifest = http_route.http_route(subject.model, weights, self._options, host, routing)
        manifest["metadata"]["annotations"][labels.DECIDED_ON] = subject.basis
        await self._objects.apply(HTTP_ROUTES, manifest, subject.claim)

    async def withdraw(self, subject: Subject) -> None:
        namespace, name = subject.model.namespace, subject.model.name
        await self._objects.delete(HTTP_ROUTES, namespace, name, subject.claim)


def _services(
    subject: Subject, found: Sequence[Object], lacking: Callable[[str, Object], bool]
) -> tuple[dict[str, ServiceState], list[Foreign]]:
    """Return the services of the versions, and foreign objects with their names.

    `lacking` tells whether the service of a version lacks something beside it.
    """
    serving = subject.model.spec.serving
    services: dict[str, ServiceState] = {}
    others = []
    for service in found:
        metadata = service["metadata"]
        version = (metadata.get("labels") or {}).get(labels.VERSION)
        if not version or metadata.get("deletionTimestamp"):
            continue
        if owned_by(service, subject.owners) or outlived_version(service, subject.owners):
            services[version] = service_state(
                version,
                owner=service,
                condition=_condition(service, subject.pods.get(version, ()), serving),
                pods=subject.pods.get(version, ()),
                components=tuple(Component),
                outdated=not inference_service.is_current(
                    metadata.get("annotations"), subject.model.spec
                )
                or not is_kept_with_model(service, subject.model)
                # The operator may have died between the service and what it owns.
                or lacking(version, service),
                requested_memory=requested_memory.of_service(service),
            )
        elif metadata["name"] in subject.versions:
            others.append(foreign(KINDS[INFERENCE_SERVICES], service))
    return services, others


def _to_adopt(subject: Subject, own: Sequence[tuple[str, Object]]) -> tuple[str, ...]:
    """Return the services whose version is there, but does not control them."""
    return tuple(
        name
        for name, service in own
        if baseline_deployment_names.version_of(name) in subject.versions
        and not owned_by(service, subject.owners)
    )


def _lacking(beside: Sequence[Object], options: Options) -> Callable[[str], bool]:
    """Return whether a service, by its uid, lacks a budget or a policy of a component."""
    owned = _owners(beside)
    needed = len(Component) * (1 + options.isolate_triton)
    return lambda uid: owned[uid] < needed


def _owners(things: Sequence[Object]) -> collections.Counter[str]:
    return collections.Counter(
        str(owner["uid"]) for thing in things if (owner := controller_of(thing)) is not None
    )


def _condition(service: Object, pods: Sequence[Object], serving: ServingSpec) -> Object:
    """Return KServe's condition, or with autoscaling whether enough pods are ready.

    KServe reports that of the Deployments, which are not available while added pods start. A
    service must not lose its requests because it gets more pods.
    """
    if serving.autoscaling is None:
        return ready_condition(service)
    for component in Component:
        own = [pod for pod in pods if podstates.label(pod, labels.COMPONENT) == component]
        # One may be missing, as without autoscaling.
        least = max(1, autoscaling.minimum(serving, component) - 1)
        if sum(map(podstates.is_ready, own)) < least:
            return {**ready_condition(service), "status": "False"}
    return {"status": "True"}
