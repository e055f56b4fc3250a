"""A served version in Gateway mode, and its pods."""

from __future__ import annotations

from typing import Any

from recommender_operator.adapters.kinds import INFERENCE_SERVICES
from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.controller.kube import Object
from recommender_operator.resources.labels import Component
from tests.fakes.kube import FakeKube
from tests.fakes.objects import pod
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

NAME = "movies-0123abcd"


def subject(*pods: dict[str, Any], **sections: object) -> Subject:
    return Subject(model=model(**sections), versions={NAME: version()}, pods={NAME: pods})


async def served(kube: FakeKube, *, ready: str = "True") -> GatewayTraffic:
    traffic = GatewayTraffic(kube, OPTIONS)
    await traffic.ensure(subject(), NAME)
    service = kube.find(INFERENCE_SERVICES, NAME)
    condition = {"type": "Ready", "status": ready, "reason": "Because", "message": "of this"}
    service["status"] = {"conditions": [condition]}
    return traffic


def part(component: Component, *, ready: bool = True, name: str = "", **status: Any) -> Object:
    return pod(name or component, NAME, ready=ready, component=component, **status)


TRANSFORMER, PREDICTOR = Component.TRANSFORMER, Component.PREDICTOR
PAIR = (part(TRANSFORMER), part(PREDICTOR))
