"""What scales the pods of a version in Gateway mode: autoscalers, or KEDA's ScaledObjects.

Never both: two autoscalers of one Deployment would overwrite each other's number. A change from
one to the other first deletes, and waits until nothing of the former is there. Meanwhile nobody
writes the number of pods, so it stays.
"""

from __future__ import annotations

import dataclasses
import enum

from recommender_operator.adapters.kubernetes.port import (
    AUTOSCALERS,
    SCALED_OBJECTS,
    Kube,
    Object,
)
from recommender_operator.adapters.objects.owned_writes import Claim, OwnedObjects
from recommender_operator.adapters.pods import states as podstates
from recommender_operator.adapters.traffic.port import Subject
from recommender_operator.resources import autoscaling, labels, scaled_objects
from recommender_operator.resources.labels import Component
from recommender_operator.resources.options import Options
from recommender_operator.resources.ownership import controller_of, owned_by


class Step(enum.Enum):
    """What a component needs next."""

    NOTHING = enum.auto()
    WAIT = enum.auto()
    DELETE_AUTOSCALER = enum.auto()
    DELETE_SCALED_OBJECT = enum.auto()
    APPLY_AUTOSCALER = enum.auto()
    APPLY_SCALED_OBJECT = enum.auto()


@dataclasses.dataclass(frozen=True)
class Scaled:
    """A component of a version, with the stored service and what the look observed."""

    subject: Subject
    version: str
    component: Component
    service: Object
    options: Options

    def step(self, *, by_keda: bool) -> Step:
        """Return what is next, so that KEDA, or an autoscaler of the operator, scales it."""
        autoscaler, scaled_object = self._own_autoscaler(), self._own_scaled_object()
        if by_keda:
            if autoscaler is not None:
                return Step.DELETE_AUTOSCALER
            return self._towards_keda(scaled_object)
        if scaled_object is not None:
            return Step.WAIT if _is_deleted(scaled_object) else Step.DELETE_SCALED_OBJECT
        if self._has_autoscaler_of_keda():
            # Without rights on ScaledObjects, what is there goes on.
            return Step.WAIT if self.options.keda else Step.NOTHING
        serving = self.subject.model.spec.serving
        if autoscaler is None:
            return Step.NOTHING if serving.autoscaling is None else Step.APPLY_AUTOSCALER
        is_current = autoscaling.is_current(autoscaler, serving)
        return Step.NOTHING if is_current else Step.APPLY_AUTOSCALER

    def _towards_keda(self, stored: Object | None) -> Step:
        if stored is not None and _is_deleted(stored):
            return Step.WAIT
        if stored is not None and scaled_objects.is_current(stored, self.scaled_object()):
            return Step.NOTHING
        # KEDA refuses one whose Deployment does not exist, or has no requests of CPU.
        pods = self.subject.pods.get(self.version, ())
        exists = any(podstates.label(pod, labels.COMPONENT) == self.component for pod in pods)
        return Step.APPLY_SCALED_OBJECT if exists else Step.NOTHING

    def autoscaler(self) -> Object:
        """Return the wanted HorizontalPodAutoscaler."""
        model = self.subject.model
        return autoscaling.autoscaler(
            model.name, self.version, self.component, model.spec.serving, self.service
        )

    def scaled_object(self) -> Object:
        """Return the wanted ScaledObject."""
        model = self.subject.model
        return scaled_objects.scaled_object(
            model.name,
            self.version,
            self.component,
            model.spec.serving,
            self.service,
            self.options,
        )

    def _own_autoscaler(self) -> Object | None:
        name = autoscaling.name(self.version, self.component)
        return self._own(self.subject.seen.get(AUTOSCALERS, name))

    def _own_scaled_object(self) -> Object | None:
        name = scaled_objects.name(self.version, self.component)
        return self._own(self.subject.seen.get(SCALED_OBJECTS, name))

    def _own(self, found: Object | None) -> Object | None:
        """Return an object of the service; another's is as none, and a write reports it."""
        owner = str(self.service["metadata"]["uid"])
        return found if found is not None and owned_by(found, {owner}) else None

    def _has_autoscaler_of_keda(self) -> bool:
        name = scaled_objects.name(self.version, self.component)
        found = self.subject.seen.get(AUTOSCALERS, name)
        controller = None if found is None else controller_of(found)
        return controller is not None and controller.get("kind") == scaled_objects.KIND


class Scalers:
    """Reads and writes the scalers of models. All methods raise KubeError."""

    def __init__(self, kube: Kube, options: Options) -> None:
        self._kube = kube
        self._objects = OwnedObjects(kube)
        self._options = options

    async def read(self, subject: Subject) -> bool:
        """Observe the scalers of a model, and return whether KEDA scales it."""
        model = subject.model
        marks = labels.of_model(model.name)
        found = await self._kube.list(AUTOSCALERS, model.namespace, marks)
        subject.seen.read(AUTOSCALERS, found)
        if self._options.keda:
            found = await self._kube.list(SCALED_OBJECTS, model.namespace, marks)
            subject.seen.read(SCALED_OBJECTS, found)
        return await self._by_keda(subject)

    def lacks(self, subject: Subject, version: str, service: Object, *, by_keda: bool) -> bool:
        """Return whether scalers of a version are missing, outdated, or not yet gone."""
        return any(
            self._scaled(subject, version, component, service).step(by_keda=by_keda)
            is not Step.NOTHING
            for component in Component
        )

    async def ensure(self, subject: Subject, version: str, service: Object, claim: Claim) -> None:
        """Do the next step of each component. `claim` has the service among the owners."""
        by_keda = await self._by_keda(subject)
        for component in Component:
            scaled = self._scaled(subject, version, component, service)
            await self._do(scaled.step(by_keda=by_keda), scaled, claim)

    async def _do(self, step: Step, scaled: Scaled, claim: Claim) -> None:
        namespace = scaled.subject.model.namespace
        match step:
            case Step.APPLY_AUTOSCALER:
                await self._objects.apply(AUTOSCALERS, scaled.autoscaler(), claim)
            case Step.APPLY_SCALED_OBJECT:
                await self._objects.apply(SCALED_OBJECTS, scaled.scaled_object(), claim)
            case Step.DELETE_AUTOSCALER:
                name = autoscaling.name(scaled.version, scaled.component)
                await self._objects.delete(AUTOSCALERS, namespace, name, claim)
            case Step.DELETE_SCALED_OBJECT:
                name = scaled_objects.name(scaled.version, scaled.component)
                await self._objects.delete(SCALED_OBJECTS, namespace, name, claim)

    async def _by_keda(self, subject: Subject) -> bool:
        asked = self._options.keda and scaled_objects.wanted(subject.model.spec.serving)
        return asked and await self._kube.serves(SCALED_OBJECTS)

    def _scaled(
        self, subject: Subject, version: str, component: Component, service: Object
    ) -> Scaled:
        return Scaled(subject, version, component, service, self._options)


def _is_deleted(thing: Object) -> bool:
    return bool(thing["metadata"].get("deletionTimestamp"))
