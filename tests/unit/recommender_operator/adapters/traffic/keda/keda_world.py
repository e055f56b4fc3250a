"""A cluster with KEDA, as far as the operator sees it, and looks at it."""

from __future__ import annotations

import dataclasses
from typing import Any

from recommender_operator.adapters.kinds import AUTOSCALERS, SCALED_OBJECTS
from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.adapters.traffic.keda import scaled_objects
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.controller.kube import KubeError, Object, Resource
from recommender_operator.resources import autoscaling
from recommender_operator.resources.labels import Component
from tests.fakes.keda import make_autoscaler
from tests.fakes.kube import FakeKube
from tests.fakes.objects import pod
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

NAME = "movies-0123abcd"
WITH_KEDA = dataclasses.replace(OPTIONS, keda=True)
FIXED = {"serving": {"replicas": 3}}
BY_HPA = {"serving": {"replicas": 3, "autoscaling": {"maxReplicas": 6}}}
BY_KEDA = {"serving": {"replicas": 3, "autoscaling": {"maxReplicas": 6, "engine": "KEDA"}}}
AUTOSCALER_NAMES = sorted(autoscaling.name(NAME, component) for component in Component)
SCALED_NAMES = sorted(scaled_objects.name(NAME, component) for component in Component)
PODS = tuple(
    pod(f"{kind}-{number}", NAME, component=kind) for kind in Component for number in range(3)
)


class Keda:
    """A cluster with KEDA, as far as the operator sees it."""

    def __init__(self, *, served: bool = True, options: Any = WITH_KEDA) -> None:
        self.kube = FakeKube()
        if served:
            self.kube.kinds.add(SCALED_OBJECTS)
        self.time = 0.0
        #: What the last look reported.
        self.problems: list[str] = []
        self.failing_triggers: list[str] = []
        self._waits = False
        self.use(options)

    def use(self, options: Any) -> None:
        """Start an operator with other settings, which remembers nothing."""
        self.traffic = GatewayTraffic(self.kube, options, lambda: self.time)

    def refuse(self, *names: str, verb: str = "apply", status: int = 403) -> None:
        """Refuse writes of ScaledObjects, as KEDA's webhook does."""

        def fault(done: str, resource: Resource, name: str) -> KubeError | None:
            if (done, resource) != (verb, SCALED_OBJECTS) or name not in names:
                return None
            return KubeError("the webhook denied the request", status=status)

        self.kube.fault = fault

    async def look(self, sections: dict[str, Any], pods: tuple[Object, ...] = PODS) -> bool:
        """Look once, and act if the service is outdated, as the operator does."""
        subject = Subject(model=model(**sections), versions={NAME: version()}, pods={NAME: pods})
        view = await self.traffic.observe(subject)
        self.problems, self._waits = list(view.scaling.problems), view.scaling.waits
        self.failing_triggers = list(view.scaling.failing_triggers)
        outdated = NAME not in view.services or view.services[NAME].outdated
        if outdated:
            await self.traffic.ensure(subject, NAME)
        return outdated

    def waits(self) -> bool:
        """Return whether the last look asked for another one."""
        return self._waits

    async def settle(self, sections: dict[str, Any]) -> None:
        for _ in range(5):
            if not await self.look(sections):
                return
            for pair in zip(AUTOSCALER_NAMES, SCALED_NAMES, strict=True):
                assert not {*pair} <= {*self.autoscalers(), *self.scaled_objects()}, "both"
        raise AssertionError("it does not settle")

    def autoscalers(self) -> list[str]:
        return [name for name in self.kube.names(AUTOSCALERS) if name in AUTOSCALER_NAMES]

    def scaled_objects(self) -> list[str]:
        return self.kube.names(SCALED_OBJECTS)

    def report(self, name: str, **conditions: str) -> None:
        """Write conditions of a ScaledObject, as KEDA does."""
        found = [
            {"type": kind, "status": status, "message": "failed to parse cron"}
            for kind, status in conditions.items()
        ]
        self.kube.touch(SCALED_OBJECTS, name)["status"] = {"conditions": found}

    def make_autoscalers(self, *names: str) -> None:
        """Make KEDA's own autoscalers."""
        for name in names or self.scaled_objects():
            make_autoscaler(self.kube, name)

    async def collect_garbage(self) -> None:
        for name in set(self.kube.names(AUTOSCALERS)) - set(AUTOSCALER_NAMES):
            uid = self.kube.find(AUTOSCALERS, name)["metadata"]["uid"]
            await self.kube.delete(AUTOSCALERS, "team", name, uid=uid)

    def start_deletion(self) -> None:
        """Delete the ScaledObjects; their finalizers hold them."""
        for name in self.scaled_objects():
            metadata = self.kube.touch(SCALED_OBJECTS, name)["metadata"]
            metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
