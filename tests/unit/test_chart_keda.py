"""What the chart gives to autoscaling by KEDA, and what its policy denies."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import celpy
import celpy.adapter
import pytest

from recommender_operator.resources.labels import Component
from tests.chart import manifests, of_kind, template
from tests.unit.recommender_operator.adapters.traffic.keda.test_scaled_objects import made, scaled

Change = Callable[[Any], None]
OWN = made(Component.TRANSFORMER, scaled())


def envs(values: dict[str, str]) -> dict[str, str]:
    (deployment,) = (m for m in manifests(values) if m["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def test_keda_is_off_unless_the_administrator_sets_it() -> None:
    assert envs({})["RECOMMENDER_KEDA"] == "false"
    url = "http://prometheus.monitoring:9090"
    on = envs({"keda.enabled": "true", "keda.prometheusUrl": url})
    assert (on["RECOMMENDER_KEDA"], on["RECOMMENDER_KEDA_PROMETHEUS_URL"]) == ("true", url)
    assert template({"keda.prometheusUrl": "prometheus:9090"}).returncode != 0


@cache
def checks() -> list[tuple[Any, str]]:
    """Return the expressions of the policy on the object alone, and what each denies."""
    (policy,) = (
        found
        for found in of_kind("everything", "ValidatingAdmissionPolicy")
        if "scaledobjects" in found["metadata"]["name"]
    )
    environment = celpy.Environment()
    return [
        (environment.program(environment.compile(each["expression"])), each["messageExpression"])
        for each in policy["spec"]["validations"]
        if "oldObject" not in each["expression"] and "variables" not in each["expression"]
    ]


def denied(manifest: Any, operation: str = "CREATE") -> str:
    """Return the messages of what the policy denies."""
    given = {"object": manifest, "request": {"operation": operation}}
    values = {key: celpy.adapter.json_to_cel(value) for key, value in given.items()}
    return " ".join(message for program, message in checks() if not program.evaluate(values))


@pytest.mark.parametrize("component", list(Component))
def test_the_operators_own_scaled_objects_are_allowed(component: Component) -> None:
    assert denied(json.loads(json.dumps(made(component, scaled())))) == ""
    assert len(checks()) >= 4


def changed(path: str, value: Any) -> Change:
    *parents, last = path.split(".")

    def change(thing: Any) -> None:
        for part in parents:
            thing = thing[int(part) if part.isdecimal() else part]
        thing[last] = value

    return change


#: Changes of an own ScaledObject that the policy denies, and why.
HOSTILE: list[tuple[Change, str]] = [
    (changed("metadata.ownerReferences", []), "no InferenceService controls it"),
    (changed("spec.scaleTargetRef.name", "theirs"), "something else than a Deployment"),
    (changed("spec.scaleTargetRef.kind", "StatefulSet"), "something else than a Deployment"),
    (
        changed("spec.advanced.horizontalPodAutoscalerConfig.name", "theirs"),
        "its autoscaler must have its own name",
    ),
    (changed("spec.advanced", {}), "its autoscaler must have its own name"),
    (changed("spec.triggers.1.metadata.serverAddress", "http://169.254.169.254"), "by CPU"),
    (changed("spec.triggers.1.metadata", {"query": "up"}), "by CPU"),
    (changed("spec.triggers.0.type", "metrics-api"), "by CPU"),
    (changed("spec.triggers.1.authenticationRef", {"name": "secret"}), "by CPU"),
]


@pytest.mark.parametrize(("change", "reason"), HOSTILE)
def test_a_hostile_scaled_object_is_denied_with_the_reason(change: Change, reason: str) -> None:
    thing = copy.deepcopy(OWN)
    change(thing)
    assert reason in denied(thing)
