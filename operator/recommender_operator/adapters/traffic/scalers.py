"""Scaling of a version's pods in Gateway mode: by autoscalers of the operator, or by an engine.

An engine beside them is a subclass that also knows when the autoscalers give way to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from recommender_operator.adapters.kinds import AUTOSCALERS
from recommender_operator.adapters.objects.owned_writes import (
    Claim,
    ForeignObjectError,
    OwnedObjects,
)
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.controller.kube import Kube, KubeError, Object
from recommender_operator.observed import Scaling
from recommender_operator.resources import autoscaling, labels
from recommender_operator.resources.labels import Component
from recommender_operator.resources.options import Options
from recommender_operator.resources.ownership import owned_by


class Scalers:
    """Reads and writes the HorizontalPodAutoscalers of models. All methods raise KubeError."""

    def __init__(self, kube: Kube, options: Options, clock: Callable[[], float]) -> None:
        """`clock` is for what an engine remembers, in seconds."""
        self._kube = kube
        self._objects = OwnedObjects(kube)
        self._options = options
        self._clock = clock

    async def read(self, subject: Subject) -> bool:
        """Observe the scalers of a model, and return whether an engine scales it."""
        model = subject.model
        marks = labels.of_model(model.name)
        found = await self._kube.list(AUTOSCALERS, model.namespace, marks)
        subject.seen.read(AUTOSCALERS, found)
        return await self._by_engine(subject)

    def lacks(
        self,
        subject: Subject,
        version: str,
        service: Object,
        *,
        by_engine: bool,  # noqa: ARG002 (of engines)
    ) -> bool:
        """Return whether scalers of a version are missing, outdated, or not yet gone."""
        return any(needs_autoscaler(subject, version, each, service) for each in Component)

    def state(
        self,
        subject: Subject,  # noqa: ARG002 (of engines)
        services: Iterable[tuple[str, Object]],  # noqa: ARG002
        *,
        by_engine: bool,  # noqa: ARG002
    ) -> Scaling:
        """Return the problems of the engine of services, and whether they wait."""
        return Scaling()

    async def ensure(self, subject: Subject, version: str, service: Object, claim: Claim) -> None:
        """Do the next step of each component. `claim` has the service among the owners."""
        by_engine = await self._by_engine(subject)
        failed: Exception | None = None
        for component in Component:
            try:
                await self._advance(
                    subject, version, component, service, claim, by_engine=by_engine
                )
            except (KubeError, ForeignObjectError) as error:
                # The other component has its own scaler.
                failed = failed or error
        if failed is not None:
            raise failed

    async def _by_engine(self, subject: Subject) -> bool:  # noqa: ARG002 (of engines)
        """Return whether an engine scales a model."""
        return False

    async def _advance(
        self,
        subject: Subject,
        version: str,
        component: Component,
        service: Object,
        claim: Claim,
        *,
        by_engine: bool,  # noqa: ARG002 (of engines)
    ) -> None:
        """Do the next step of a component."""
        if needs_autoscaler(subject, version, component, service):
            wanted = autoscaler(subject, version, component, service)
            await self._objects.apply(AUTOSCALERS, wanted, claim)

    def has_engine(self, subject: Subject, version: str) -> bool:  # noqa: ARG002 (of engines)
        """Return whether autoscalers of an engine, which write the number of pods, are there."""
        return False

    def keeps_replicas(self, subject: Subject, version: str, service: Object) -> bool:
        """Return whether KServe still leaves the number of pods to an autoscaler that is gone."""
        wanted = subject.model.spec.serving.autoscaling
        if wanted is not None or self.has_engine(subject, version):
            return False
        return autoscaling.leaves_replicas(service)


def needs_autoscaler(
    subject: Subject, version: str, component: Component, service: Object
) -> bool:
    """Return whether the autoscaler of a component is missing or outdated."""
    serving = subject.model.spec.serving
    found = own_autoscaler(subject, version, component, service)
    if found is None:
        return serving.autoscaling is not None
    return not autoscaling.is_current(found, serving)


def own_autoscaler(
    subject: Subject, version: str, component: Component, service: Object
) -> Object | None:
    """Return the observed autoscaler of a service; another's is as none: a write reports it."""
    found = subject.seen.get(AUTOSCALERS, autoscaling.name(version, component))
    is_own = found is not None and owned_by(found, {str(service["metadata"]["uid"])})
    return found if is_own else None


def autoscaler(subject: Subject, version: str, component: Component, service: Object) -> Object:
    """Return the wanted HorizontalPodAutoscaler."""
    model = subject.model
    return autoscaling.autoscaler(model.name, version, component, model.spec.serving, service)
