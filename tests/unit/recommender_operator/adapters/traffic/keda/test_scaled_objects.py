"""ScaledObjects of components, for models that KEDA scales."""

from __future__ import annotations

import dataclasses
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.adapters.traffic.keda import scaled_objects
from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.api.spec import EventsSpec, ServingSpec
from recommender_operator.observed import ModelObject
from recommender_operator.resources import autoscaling, inference_service, labels
from recommender_operator.resources.labels import Component, Manifest
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

NAME = "movies-0123abcd"
PEAK = {"start": "0 18 * * *", "end": "0 23 * * *", "timeZone": "Europe/Berlin", "replicas": 5}
SCALING = {
    "engine": "KEDA",
    "maxReplicas": 6,
    "targetRequestsInFlight": 8,
    "scaleDownStabilizationSeconds": 120,
    "peaks": [PEAK],
}
SERVER = "http://prometheus.monitoring:9090"
WITH_KEDA = dataclasses.replace(OPTIONS, keda=True, keda_prometheus_url=SERVER)


def fields(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "required": required, "properties": properties,
        "additionalProperties": False,
    }  # fmt: skip


TEXT, NUMBER, TEXTS = (
    {"type": "string"},
    {"type": "integer"},
    {"type": "object", "additionalProperties": {"type": "string"}},
)
#: The fields of keda.sh/v1alpha1 (KEDA 2.17) that the operator may write; KEDA has more.
SCHEMA = fields(
    ["scaleTargetRef", "triggers"],
    scaleTargetRef=fields(["name"], name=TEXT, apiVersion=TEXT, kind=TEXT),
    minReplicaCount=NUMBER,
    maxReplicaCount=NUMBER,
    advanced=fields(
        [],
        horizontalPodAutoscalerConfig=fields(
            [],
            name=TEXT,
            behavior=fields(
                [],
                scaleDown=fields(
                    [],
                    stabilizationWindowSeconds={**NUMBER, "minimum": 0, "maximum": 3600},
                ),
            ),
        ),
    ),
    triggers={
        "type": "array",
        "minItems": 1,
        "items": fields(
            ["type", "metadata"],
            type=TEXT,
            metadata=TEXTS,
            metricType={"enum": ["AverageValue", "Value", "Utilization"]},
        ),
    },
)


def scaled(**more: Any) -> ModelObject:
    return model(serving={"replicas": 2, "autoscaling": {**SCALING, **more}})


def made(component: Component, of: ModelObject, options: Any = WITH_KEDA) -> Manifest:
    service = inference_service.standard(of, version(), OPTIONS)
    service["metadata"]["uid"] = "uid-service"
    return scaled_objects.scaled_object(
        "movies", NAME, component, of.spec.serving, service, options
    )


def triggers(manifest: Manifest) -> dict[str, Manifest]:
    return {trigger["type"]: trigger for trigger in manifest["spec"]["triggers"]}


def test_each_component_scales_by_cpu_and_by_peaks_and_the_transformer_by_its_requests() -> None:
    peak = {
        "timezone": "Europe/Berlin", "start": "0 18 * * *", "end": "0 23 * * *",
        "desiredReplicas": "5",
    }  # fmt: skip
    predictor = triggers(made(Component.PREDICTOR, scaled()))
    cpu = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "70"}}
    assert predictor == {"cpu": cpu, "cron": {"type": "cron", "metadata": peak}}
    transformer = triggers(made(Component.TRANSFORMER, scaled()))
    assert transformer.pop("prometheus") == {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": SERVER,
            "query": 'sum(transformer_requests_in_flight{namespace="team",version="'
            + NAME
            + '"})',
            "threshold": "8",
            # Otherwise lost metrics would count as no load.
            "ignoreNullValues": "false",
        },
    }
    assert transformer == predictor


def test_the_number_of_pods_has_the_bounds_and_the_window_of_the_spec() -> None:
    spec = made(Component.PREDICTOR, scaled())["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 6)
    config = spec["advanced"]["horizontalPodAutoscalerConfig"]
    assert config["behavior"] == {"scaleDown": {"stabilizationWindowSeconds": 120}}


@pytest.mark.parametrize("component", list(Component))
def test_a_scaled_object_belongs_to_the_service_and_scales_the_components_deployment(
    component: Component,
) -> None:
    found = made(component, scaled())
    assert found["spec"]["scaleTargetRef"] == {
        "apiVersion": "apps/v1", "kind": "Deployment", "name": f"{NAME}-{component}",
    }  # fmt: skip
    assert found["metadata"]["ownerReferences"][0]["uid"] == "uid-service"
    # KEDA gives its autoscaler the labels, by which the operator finds it.
    assert found["metadata"]["labels"] == labels.of_version("movies", NAME)
    names = {f"{NAME}-{component}", autoscaling.name(NAME, component)}
    assert found["metadata"]["name"] not in names


@pytest.mark.parametrize("component", list(Component))
@pytest.mark.parametrize("more", [{}, {"peaks": []}, {"targetRequestsInFlight": None}])
def test_kedas_schema_accepts_it(component: Component, more: dict[str, Any]) -> None:
    jsonschema.validate(made(component, scaled(**more))["spec"], SCHEMA)


def test_without_a_server_of_the_installation_requests_do_not_scale() -> None:
    options = dataclasses.replace(WITH_KEDA, keda_prometheus_url="")
    assert set(triggers(made(Component.TRANSFORMER, scaled(), options))) == {"cpu", "cron"}


def test_a_change_of_any_setting_makes_a_stored_one_outdated() -> None:
    stored = made(Component.TRANSFORMER, scaled())
    assert scaled_objects.is_current(stored, made(Component.TRANSFORMER, scaled()))
    changes: list[dict[str, Any]] = [
        {"maxReplicas": 7}, {"peaks": []}, {"targetRequestsInFlight": 9},
    ]  # fmt: skip
    for more in changes:
        assert not scaled_objects.is_current(stored, made(Component.TRANSFORMER, scaled(**more)))
    other = dataclasses.replace(WITH_KEDA, keda_prometheus_url="http://other:9090")
    assert not scaled_objects.is_current(stored, made(Component.TRANSFORMER, scaled(), other))
    stored["metadata"]["annotations"] = {}
    assert not scaled_objects.is_current(stored, made(Component.TRANSFORMER, scaled()))


@given(st.text("abcdef-0123456789", min_size=1, max_size=49).map(lambda text: f"m{text[1:]}"))
def test_names_are_values_of_labels_and_differ_by_version_and_component(name: str) -> None:
    found = {
        scaled_objects.name(text, part) for text in (name, f"{name[:-1]}x") for part in Component
    }
    assert len(found) == 2 * len({name, f"{name[:-1]}x"})
    assert all(len(text) <= 63 and text.strip("-") == text for text in found)


def test_the_engine_replaces_no_pods() -> None:
    own, events = inference_service.serving_digest, EventsSpec()
    by_keda, by_hpa = scaled().spec.serving, scaled(engine="HPA", peaks=[]).spec.serving
    assert own(by_keda, events) == own(by_hpa, events)
    # Nor does the release that knows it, in either mode.
    before = {"maxReplicas": 6, "targetCPUUtilizationPercentage": 70}
    serving = ServingSpec.model_validate({"autoscaling": before})
    assert knative_manifests.settings(serving) == {**before, "scaleDownStabilizationSeconds": 300}


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        ({"status": "True", "message": "is defined correctly"}, ""),
        ({"status": "Unknown"}, ""),
        ({"status": "False", "message": "error parsing start schedule"}, "error parsing start"),
        ({"status": "False", "reason": "ScaledObjectCheckFailed"}, "ScaledObjectCheckFailed"),
        (
            {
                "status": "Unknown",
                "reason": "PartialTriggerError",
                "message": "Some triggers defined in ScaledObject are not working correctly",
            },
            "Some triggers",
        ),
    ],
)
def test_triggers_that_do_not_work_are_told_and_a_new_object_is_not(
    condition: dict[str, str], shown: str
) -> None:
    stored = {"status": {"conditions": [{"type": "Ready", **condition}]}}
    assert scaled_objects.not_ready(stored)[: len(shown)] == shown
    assert bool(scaled_objects.not_ready(stored)) == bool(shown)
