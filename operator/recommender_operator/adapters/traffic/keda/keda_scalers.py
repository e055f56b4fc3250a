"""Scaling of a version's pods in Gateway mode: by autoscalers, or by KEDA's ScaledObjects.

Never both: two autoscalers of one Deployment would overwrite each other's number. A change from
one to the other first deletes, and waits until nothing of the former is there. Meanwhile nobody
writes the number of pods, so it stays.

What KEDA refuses, or does not do in time, stops nothing else: the operator's autoscaler scales
that component, the problem is reported, and KEDA is tried again later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from recommender_operator.adapters.kinds import AUTOSCALERS, KINDS, SCALED_OBJECTS
from recommender_operator.adapters.objects.owned_writes import (
    Claim,
    ForeignObjectError,
)
from recommender_operator.adapters.traffic.keda import scaled_objects
from recommender_operator.adapters.traffic.keda.scaler_steps import (
    OF_KEDA,
    Scaled,
    Step,
    has_autoscaler_of_keda,
    is_deleted,
)
from recommender_operator.adapters.traffic.keda.scaler_troubles import (
    LONGEST_PAUSE,
    Place,
    Troubles,
)
from recommender_operator.adapters.traffic.scalers import Scalers
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.controller import redaction
from recommender_operator.controller.kube import Kube, KubeError, Object
from recommender_operator.observed import Scaling
from recommender_operator.resources import autoscaling, labels
from recommender_operator.resources.labels import Component
from recommender_operator.resources.options import Options
from recommender_operator.resources.ownership import foreign

#: Time that KEDA has to make an autoscaler, or to finish a deletion, in seconds. It takes one.
PATIENCE = 60.0
#: Time that the metrics of a new version may take: Prometheus scrapes the pods, and KEDA asks for
#: the result, each every 30 s by default, in seconds.
METRICS_PATIENCE = 120.0
#: What the API server says if KEDA's webhook does not answer, with the status 500.
NO_WEBHOOK = "failed calling webhook"


class KedaScalers(Scalers):
    """Reads and writes autoscalers and ScaledObjects of models. All methods raise KubeError."""

    def __init__(self, kube: Kube, options: Options, clock: Callable[[], float]) -> None:
        super().__init__(kube, options, clock)
        self._troubles = Troubles(clock)

    async def read(self, subject: Subject) -> bool:
        """Observe the scalers of a model, and return whether KEDA scales it."""
        model = subject.model
        if self._options.keda:
            marks = labels.of_model(model.name)
            found = await self._kube.list(SCALED_OBJECTS, model.namespace, marks)
            subject.seen.read(SCALED_OBJECTS, found)
        return await super().read(subject)

    def lacks(self, subject: Subject, version: str, service: Object, *, by_engine: bool) -> bool:
        """Return whether scalers of a version are missing, outdated, or not yet gone."""
        return any(
            self._scaled(subject, version, component, service, by_keda=by_engine).step()
            is not Step.NOTHING
            for component in Component
        )

    def state(
        self, subject: Subject, services: Iterable[tuple[str, Object]], *, by_engine: bool
    ) -> Scaling:
        """Return the problems of the ScaledObjects of services, and whether they wait."""
        found = [
            self._scaled(subject, version, component, service, by_keda=by_engine)
            for version, service in services
            for component in Component
        ]
        return Scaling(
            problems=tuple(problem for scaled in found if (problem := scaled.problem())),
            failing_triggers=tuple(
                fails for scaled in found if (fails := scaled.failing_trigger())
            ),
            waits=any(
                scaled.refused
                or (scaled.waits() and not scaled.stalled)
                or (scaled.lacks_a_trigger() and not scaled.triggers_fail)
                for scaled in found
            ),
        )

    def has_engine(self, subject: Subject, version: str) -> bool:
        """Return whether KEDA's autoscalers, which write the number of pods, are there."""
        return any(has_autoscaler_of_keda(subject, version, each) for each in Component)

    async def _advance(
        self,
        subject: Subject,
        version: str,
        component: Component,
        service: Object,
        claim: Claim,
        *,
        by_engine: bool,
    ) -> None:
        """Do the next step; if KEDA is in the way, see that the operator's autoscaler scales."""
        scaled = self._scaled(subject, version, component, service, by_keda=by_engine)
        step = scaled.step()
        try:
            await self._do(step, scaled, claim)
        except (KubeError, ForeignObjectError) as error:
            if step not in OF_KEDA or not _is_refusal(error):
                raise
            self._troubles.refuse(scaled.place, scaled.wanted(), redaction.head(str(error)))
            again = self._scaled(subject, version, component, service, by_keda=by_engine)
            if again.step() is Step.APPLY_AUTOSCALER:
                await self._do(Step.APPLY_AUTOSCALER, again, claim)

    async def _do(self, step: Step, scaled: Scaled, claim: Claim) -> None:
        namespace, name = scaled.place
        match step:
            case Step.APPLY_AUTOSCALER:
                await self._objects.apply(AUTOSCALERS, scaled.autoscaler(), claim)
            case Step.APPLY_SCALED_OBJECT:
                await self._objects.apply(SCALED_OBJECTS, scaled.scaled_object(), claim)
            case Step.DELETE_AUTOSCALER:
                # It scales until nothing is known to be in KEDA's way.
                found = await self._kube.get(SCALED_OBJECTS, namespace, name)
                if found is not None and not scaled.owns(found):
                    raise ForeignObjectError(foreign(KINDS[SCALED_OBJECTS], found))
                former = autoscaling.name(scaled.version, scaled.component)
                await self._objects.delete(AUTOSCALERS, namespace, former, claim)
            case Step.DELETE_SCALED_OBJECT:
                await self._objects.delete(SCALED_OBJECTS, namespace, name, claim)

    async def _by_engine(self, subject: Subject) -> bool:
        asked = self._options.keda and scaled_objects.wanted(subject.model.spec.serving)
        return asked and await self._kube.serves(SCALED_OBJECTS)

    def _scaled(
        self,
        subject: Subject,
        version: str,
        component: Component,
        service: Object,
        *,
        by_keda: bool,
    ) -> Scaled:
        """Return a component with what is remembered of its ScaledObject."""
        found = Scaled(subject, version, component, service, self._options, by_keda)
        place, wanted, stored = found.place, found.wanted(), found.stored()
        waits, lacks = found.waits(), found.lacks_a_trigger()
        lasted = self._troubles.lasted(place, waits or lacks)
        stalled = bool(waits) and lasted >= PATIENCE
        if found.succeeds():
            self._troubles.forget(place)
        elif stalled and stored is not None and not is_deleted(stored):
            self._give_up(place, wanted, stored)
        return dataclasses.replace(
            found,
            refusal=self._troubles.refusal(place, wanted),
            refused=self._troubles.pauses(place, wanted),
            stalled=stalled,
            triggers_fail=bool(lacks) and lasted >= METRICS_PATIENCE,
        )

    def _give_up(self, place: Place, wanted: str, stored: Object) -> None:
        """Remember that KEDA made no autoscaler of a ScaledObject."""
        if self._troubles.pauses(place, wanted):
            return
        why = scaled_objects.not_ready(stored) or "it has made no HorizontalPodAutoscaler"
        message = redaction.head(f"KEDA does not scale by it: {why}")
        # What did nothing in a minute is unlikely to do it in the next one.
        self._troubles.refuse(place, wanted, message, pause=LONGEST_PAUSE)


def _is_refusal(error: KubeError | ForeignObjectError) -> bool:
    """Return whether a write was refused, so that to repeat it at once is of no use."""
    if isinstance(error, ForeignObjectError):
        return True
    return error.refuses_object or NO_WEBHOOK in str(error)
