"""The next step of one component towards KEDA, or towards an autoscaler of the operator."""

from __future__ import annotations

import dataclasses
import enum

from recommender_operator.adapters.kinds import AUTOSCALERS, SCALED_OBJECTS
from recommender_operator.adapters.pods import pod_states as podstates
from recommender_operator.adapters.traffic import scalers
from recommender_operator.adapters.traffic.keda import scaled_objects
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.controller import redaction
from recommender_operator.controller.kube import Object
from recommender_operator.resources import autoscaling, labels
from recommender_operator.resources.labels import Component
from recommender_operator.resources.options import Options
from recommender_operator.resources.ownership import controller_of, owned_by


class Step(enum.Enum):
    """The next step of a component."""

    NOTHING = enum.auto()
    WAIT = enum.auto()
    DELETE_AUTOSCALER = enum.auto()
    DELETE_SCALED_OBJECT = enum.auto()
    APPLY_AUTOSCALER = enum.auto()
    APPLY_SCALED_OBJECT = enum.auto()


#: Steps whose refusal stops neither the service nor the other component.
OF_KEDA = (Step.DELETE_AUTOSCALER, Step.DELETE_SCALED_OBJECT, Step.APPLY_SCALED_OBJECT)


@dataclasses.dataclass(frozen=True)
class Scaled:
    """A component of a version, with the stored service and what the pass observed."""

    subject: Subject
    version: str
    component: Component
    service: Object
    options: Options
    by_keda: bool
    #: Why KEDA did not scale as is wanted when it was tried; empty if nothing is known.
    refusal: str = ""
    #: Whether it is therefore not tried now.
    refused: bool = False
    #: Whether the ScaledObject has waited too long for KEDA.
    stalled: bool = False
    #: Whether a trigger has not worked for longer than a new metric takes to arrive.
    triggers_fail: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name of the ScaledObject."""
        name = scaled_objects.name(self.version, self.component)
        return self.subject.model.namespace, name

    def succeeds(self) -> bool:
        """Return whether KEDA scales as is wanted."""
        stored = self.stored()
        if not self.by_keda or stored is None or self.waits():
            return False
        return scaled_objects.is_current(stored, self.scaled_object())

    def wanted(self) -> str:
        """Return a digest of what is wanted of KEDA."""
        if not self.by_keda:
            return ""
        found = self.scaled_object()["metadata"]["annotations"][labels.SCALING_DIGEST]
        return str(found)

    def waits(self) -> str:
        """Return the work of KEDA that the ScaledObject waits for, with its uid; empty if none."""
        stored = self.stored()
        if stored is None:
            return ""
        if is_deleted(stored):
            return f"deletion of {stored['metadata']['uid']}"
        if has_autoscaler_of_keda(self.subject, self.version, self.component):
            return ""
        return "" if _is_paused(stored) else f"autoscaler of {stored['metadata']['uid']}"

    def lacks_a_trigger(self) -> str:
        """Return that KEDA scales without one of the triggers, with the uid; empty if it does not.

        The metrics of a new version come with their first scrape.
        """
        stored = self.stored()
        if stored is None or is_deleted(stored) or not scaled_objects.not_ready(stored):
            return ""
        if not has_autoscaler_of_keda(self.subject, self.version, self.component):
            return ""
        return f"triggers of {stored['metadata']['uid']}"

    def step(self) -> Step:
        """Return the next step, so that KEDA, or an autoscaler of the operator, scales it."""
        stored = self.stored()
        by_other = has_autoscaler_of_keda(self.subject, self.version, self.component)
        if stored is not None and is_deleted(stored):
            if not self.stalled:
                return Step.WAIT
            # KEDA makes no autoscaler of an object in deletion; one that it made goes on.
            return Step.NOTHING if by_other else self._by_autoscaler()
        if self.by_keda and not self.refused:
            return self._by_keda(stored, by_other=by_other)
        if stored is not None:
            # If a change is refused, it goes on as it is.
            return Step.NOTHING if self.refused and not self.stalled else Step.DELETE_SCALED_OBJECT
        if by_other:
            # Without rights on ScaledObjects, what is there goes on.
            return Step.WAIT if self.options.keda else Step.NOTHING
        return self._by_autoscaler()

    def problem(self) -> str:
        """Return the problem of the ScaledObject with its remedy; empty if there is none."""
        stored, (namespace, name) = self.stored(), self.place
        if stored is not None and is_deleted(stored):
            if not self.stalled:
                return ""
            return (
                f"KEDA does not finish the deletion of ScaledObject {namespace}/{name}: run KEDA, "
                "or remove the finalizer"
            )
        if self.refusal:
            return f"ScaledObject {namespace}/{name}: {self.refusal}"
        return "" if self.lacks_a_trigger() else self._reported()

    def failing_trigger(self) -> str:
        """Return which trigger does not work while KEDA scales; empty if all do."""
        fails = self.triggers_fail and not self.refusal and self.lacks_a_trigger()
        return self._reported() if fails else ""

    def _reported(self) -> str:
        stored, (namespace, name) = self.stored(), self.place
        reported = "" if stored is None else redaction.head(scaled_objects.not_ready(stored))
        return f"KEDA reports of ScaledObject {namespace}/{name}: {reported}" if reported else ""

    def _by_keda(self, stored: Object | None, *, by_other: bool) -> Step:
        if stored is None and self._pods() < self._minimum():
            # A Deployment starts with one pod; whatever KEDA does then, it has enough. KEDA also
            # refuses an object whose Deployment does not exist.
            return Step.WAIT if by_other else self._by_autoscaler()
        if self._own_autoscaler() is not None:
            return Step.DELETE_AUTOSCALER
        if stored is not None and scaled_objects.is_current(stored, self.scaled_object()):
            return Step.NOTHING
        return Step.APPLY_SCALED_OBJECT

    def _pods(self) -> int:
        """Return the number of the component's pods that stay, ready or not."""
        pods = self.subject.pods.get(self.version, ())
        return sum(
            podstates.label(pod, labels.COMPONENT) == self.component and podstates.stays(pod)
            for pod in pods
        )

    def _minimum(self) -> int:
        return autoscaling.minimum(self.subject.model.spec.serving, self.component)

    def _by_autoscaler(self) -> Step:
        needed = scalers.needs_autoscaler(self.subject, self.version, self.component, self.service)
        return Step.APPLY_AUTOSCALER if needed else Step.NOTHING

    def autoscaler(self) -> Object:
        """Return the wanted HorizontalPodAutoscaler."""
        return scalers.autoscaler(self.subject, self.version, self.component, self.service)

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

    def stored(self) -> Object | None:
        """Return the ScaledObject of the service."""
        return self._own(self.subject.seen.get(SCALED_OBJECTS, self.place[1]))

    def owns(self, found: Object) -> bool:
        """Return whether an object belongs to the service."""
        return owned_by(found, {str(self.service["metadata"]["uid"])})

    def _own_autoscaler(self) -> Object | None:
        return scalers.own_autoscaler(self.subject, self.version, self.component, self.service)

    def _own(self, found: Object | None) -> Object | None:
        """Return an object of the service; another's is as none, and a write reports it."""
        return found if found is not None and self.owns(found) else None


def has_autoscaler_of_keda(subject: Subject, version: str, component: Component) -> bool:
    """Return whether KEDA has made an autoscaler of a component."""
    found = subject.seen.get(AUTOSCALERS, scaled_objects.name(version, component))
    controller = None if found is None else controller_of(found)
    return controller is not None and controller.get("kind") == scaled_objects.KIND


def is_deleted(thing: Object) -> bool:
    """Return whether an object is being deleted."""
    return bool(thing["metadata"].get("deletionTimestamp"))


def _is_paused(stored: Object) -> bool:
    """Return whether somebody has told KEDA to leave the number of pods as it is."""
    return scaled_objects.condition(stored, "Paused").get("status") == "True"
