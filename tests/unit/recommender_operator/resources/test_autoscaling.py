"""Autoscalers of components, and what remains KServe's and Knative's."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.api.spec import ServingSpec
from recommender_operator.observed import ModelObject
from recommender_operator.resources import (
    autoscaling,
    disruption_budgets,
    inference_service,
    labels,
)
from recommender_operator.resources.labels import Component, Manifest
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

NAME = "movies-0123abcd"
SCALING = {"maxReplicas": 6, "targetRequestsInFlight": 8, "scaleDownStabilizationSeconds": 120}


def scaled(**more: Any) -> ModelObject:
    return model(serving={"replicas": 2, "autoscaling": {**SCALING, **more}})


def stored(of: ModelObject) -> Manifest:
    service = inference_service.standard(of, version(), OPTIONS)
    service["metadata"]["uid"] = "uid-service"
    return service


def scaler(component: Component, of: ModelObject) -> Manifest:
    return autoscaling.autoscaler("movies", NAME, component, of.spec.serving, stored(of))


def test_each_component_scales_by_cpu_and_the_transformer_by_its_requests_as_well() -> None:
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    predictor = scaler(Component.PREDICTOR, scaled())["spec"]
    assert predictor["metrics"] == [{"type": "Resource", "resource": cpu}]
    transformer = scaler(Component.TRANSFORMER, scaled())["spec"]
    (_, pods) = transformer["metrics"]
    assert pods["pods"]["metric"]["name"] == "transformer_requests_in_flight"
    assert pods["pods"]["target"] == {"type": "AverageValue", "averageValue": "8"}
    for spec in (predictor, transformer):
        assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
        assert spec["behavior"] == {"scaleDown": {"stabilizationWindowSeconds": 120}}


@pytest.mark.parametrize("component", list(Component))
def test_an_autoscaler_belongs_to_the_service_and_scales_the_components_deployment(
    component: Component,
) -> None:
    made = scaler(component, scaled())
    assert made["spec"]["scaleTargetRef"] == {
        "apiVersion": "apps/v1", "kind": "Deployment", "name": f"{NAME}-{component}",
    }  # fmt: skip
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-service"
    assert made["metadata"]["labels"] == labels.of_version("movies", NAME)
    # KServe deletes one that has the name of the Deployment
    assert made["metadata"]["name"] != f"{NAME}-{component}"


@pytest.mark.parametrize("component", list(Component))
def test_a_scaled_deployment_never_loses_a_pod_before_its_successor_is_ready(
    component: Component,
) -> None:
    """It may have one pod, even if the minimum has just risen."""
    pods = stored(scaled())["spec"][str(component)]
    assert pods["deploymentStrategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_number_of_pods_has_one_writer() -> None:
    classes = {
        with_scaler: inference_service.standard(of, version(), OPTIONS)["metadata"]["annotations"][
            autoscaling.CLASS
        ]
        for with_scaler, of in ((True, scaled()), (False, model()))
    }
    # external: KServe neither writes the replicas nor creates an autoscaler
    assert classes == {True: "external", False: "none"}


def test_without_autoscaling_a_former_autoscaler_keeps_the_number_of_pods() -> None:
    spec = scaler(Component.TRANSFORMER, model(serving={"replicas": 3}))["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 3)
    assert set(spec) == {"scaleTargetRef", "minReplicas", "maxReplicas"}


def test_targets_change_autoscalers_but_not_pods() -> None:
    of = scaled().spec.serving
    other = scaled(maxReplicas=9).spec.serving
    assert inference_service.serving_digest(of) == inference_service.serving_digest(other)
    assert autoscaling.digest(of) != autoscaling.digest(other)
    made = scaler(Component.PREDICTOR, scaled())
    assert autoscaling.is_current(made, of)
    assert not autoscaling.is_current(made, other)
    assert inference_service.serving_digest(of) != inference_service.serving_digest(ServingSpec())


def test_knative_scales_by_requests_with_its_own_autoscaler() -> None:
    built = knative_manifests.service(scaled(), version(), None, OPTIONS)
    predictor = built["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, 6)
    assert (predictor["scaleMetric"], predictor["scaleTarget"]) == ("concurrency", 8)
    delay = {"autoscaling.knative.dev/scale-down-delay": "120s"}
    assert predictor["annotations"] == delay
    own = knative_manifests.serving_digest
    other = scaled(maxReplicas=9).spec.serving
    assert own(scaled().spec.serving) != own(other)


def test_a_disruption_budget_allows_one_pod_at_a_time_at_any_number_of_pods() -> None:
    budget = disruption_budgets.budget("movies", NAME, Component.PREDICTOR, stored(scaled()))
    assert budget["spec"]["maxUnavailable"] == 1
