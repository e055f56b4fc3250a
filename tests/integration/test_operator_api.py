"""Definitions and adapters with a real API server."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_operator.adapters.kinds import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    VERSIONS,
)
from recommender_operator.adapters.objects.owned_writes import OwnedObjects
from recommender_operator.adapters.objects.parsed_objects import model_object, version_object
from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.adapters.traffic.knative.knative_traffic import KnativeTraffic
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.api.spec import ExperimentMetric, ExperimentSpec, PrimaryMetric
from recommender_operator.api.version import ModelVersionStatus
from recommender_operator.api.version_experiment import (
    MAX_PHASES,
    ExperimentPhase,
    ExperimentStatus,
    MetricComparison,
)
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import KubeError, Resource
from recommender_operator.observed import PLAIN, JobKind, ModelObject, Routing, VersionObject
from recommender_operator.resources import baseline_deployment_names, jobs, model_version, names
from recommender_operator.resources.assignment_header import Assignment
from tests.fakes.kube import NOW
from tests.integration.operator_api_rig import kubectl, manifest, new_namespace, refusal
from tests.sources import source
from tests.unit.recommender_operator.resources import builder_inputs

pytestmark = pytest.mark.integration

NONSENSE: list[tuple[dict[str, Any], str, str]] = [
    ({"rollout": {"steps": [{"weight": 50}, {"weight": 10}]}}, "spec.rollout.steps", "increas"),
    ({"rollout": {"steps": [{"weight": 10}]}}, "spec.rollout.steps", "100"),
    ({"rollout": {"steps": []}}, "spec.rollout.steps", "1"),
    ({"rollout": {"traffic": "Magic"}}, "spec.rollout.traffic", "Gateway"),
    ({"data": {"source": {}}}, "spec.data.source", "exactly one of: persistentVolumeClaim"),
    (
        {"data": {"source": source("r", "/etc")}},
        "spec.data.source.persistentVolumeClaim.path",
        "match",
    ),
    (
        {"data": {"source": source("r", "a/../../b")}},
        "spec.data.source.persistentVolumeClaim.path",
        "no segment that starts with '.'",
    ),
    ({"evaluation": {"gates": [{"metric": "auc"}]}}, "spec.evaluation.gates[0]", "at least one"),
    ({"training": {"seed": -1}}, "spec.training.seed", "greater than or equal to 0"),
    ({"serving": {"replicas": 0}}, "spec.serving.replicas", "greater than or equal to 1"),
    (
        {"serving": {"resources": {"limits": {"memory": "lots"}}}},
        "spec.serving.resources.limits.memory",
        "match",
    ),
    (
        {"rollout": {"analysis": {"provider": "Prometheus"}}},
        "spec.rollout.analysis",
        "prometheusUrl",
    ),
    ({"training": {"hyperparameters": {"dropout": 1}}}, "hyperparameters.dropout", "less than 1"),
]


@pytest.mark.parametrize(("spec", "field", "reason"), NONSENSE, ids=lambda value: str(value)[:40])
def test_an_invalid_spec_is_rejected_with_the_field_and_the_reason(
    spec: dict[str, Any], field: str, reason: str
) -> None:
    shown = refusal(manifest("default", **spec))
    assert field in shown
    assert reason in shown


@pytest.mark.parametrize("name", ["x" * 41, "1st"])
def test_a_name_that_leaves_no_valid_names_for_children_is_rejected(name: str) -> None:
    assert "the name" in refusal(manifest("default", name=name))


def test_the_smallest_spec_is_accepted() -> None:
    assert refusal(manifest("default")) == ""


async def stored(
    kube: OfficialKube, namespace: str, **spec: Any
) -> tuple[ModelObject, VersionObject]:
    assert await kube.create(MODELS, manifest(namespace, **spec))
    raw = await kube.get(MODELS, namespace, "movies")
    assert raw is not None
    model = model_object(raw)
    name = names.desired_version("movies", model.spec)
    spec_of = builder_inputs.version(recalibration=builder_inputs.RECALIBRATION).spec
    assert await kube.create(VERSIONS, model_version.model_version(model, name, spec_of))
    status = {
        "stage": "Published",
        "artifact": {"path": "artifacts/movies/ab", "digest": builder_inputs.DIGEST},
    }
    body = {
        "apiVersion": "recommender.dev/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": name, "namespace": namespace},
        "status": status,
    }
    assert await kube.apply_status(VERSIONS, body)
    found = await kube.get(VERSIONS, namespace, name)
    assert found is not None
    return model, version_object(found)


async def test_the_api_server_sets_the_defaults_of_the_models(
    kube: OfficialKube, namespace: str
) -> None:
    model, version = await stored(kube, namespace)
    parsed = model.spec
    bare = type(parsed).model_validate(manifest(namespace)["spec"])
    assert parsed == bare
    assert version.status.artifact is not None


async def test_a_change_of_an_immutable_field_is_rejected(
    kube: OfficialKube, namespace: str
) -> None:
    await stored(kube, namespace)
    for change, word in (
        ({"storage": {"persistentVolumeClaim": {"claimName": "other"}}}, "storage is immutable"),
        ({"rollout": {"traffic": "Knative"}}, "rollout.traffic is immutable"),
    ):
        with pytest.raises(KubeError, match=word):
            await kube.patch(MODELS, namespace, "movies", {"spec": change})
    (version,) = await kube.list(VERSIONS, namespace, {})
    name, trigger = version["metadata"]["name"], {"spec": {"trigger": "other"}}
    with pytest.raises(KubeError, match="immutable"):
        await kube.patch(VERSIONS, namespace, name, trigger)


async def test_a_namespace_that_is_being_deleted_is_recognised(kube: OfficialKube) -> None:
    namespace = new_namespace()
    # Nothing ends the deletion here: the API server runs without its controllers.
    kubectl("delete", "namespace", namespace, "--wait=false")
    with pytest.raises(KubeError, match="terminated") as caught:
        await kube.create(MODELS, manifest(namespace))
    assert caught.value.namespace_terminating


async def test_a_status_write_keeps_the_spec_and_removes_omitted_fields(
    kube: OfficialKube, namespace: str
) -> None:
    model, version = await stored(kube, namespace)
    body = {
        "apiVersion": "recommender.dev/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": version.name, "namespace": namespace},
        "spec": {"model": "other"},
        "status": {"stage": "Failed"},
    }
    assert await kube.apply_status(VERSIONS, body)
    found = await kube.get(VERSIONS, namespace, version.name)
    assert found is not None
    assert found["spec"]["model"] == model.name
    assert found["status"]["stage"] == "Failed"
    assert "artifact" not in found["status"]
    (fields,) = [
        entry["fieldsV1"]
        for entry in found["metadata"]["managedFields"]
        if entry.get("subresource") == "status"
    ]
    assert fields == {"f:status": {}}


async def test_the_api_server_accepts_every_job(kube: OfficialKube, namespace: str) -> None:
    model, version = await stored(kube, namespace)
    assert version.spec.recalibration == builder_inputs.RECALIBRATION
    inputs = {
        JobKind.CHECK: {},
        JobKind.TRAIN: {"data_version": "1"},
        JobKind.RECALIBRATE: {
            "source_path": "artifacts/movies/x",
            "source_digest": builder_inputs.DIGEST,
        },
        JobKind.PUBLISH: {"staged_path": "staging/movies/x", "digest": builder_inputs.DIGEST},
        JobKind.REMOVE: {"paths": "artifacts/movies/x"},
    }
    for kind, given in inputs.items():
        job = jobs.job(model, version, kind, 0, given, builder_inputs.OPTIONS)
        assert await kube.create(JOBS, job)
        assert not await kube.create(JOBS, job)


def managers(thing: dict[str, Any]) -> dict[str, str]:
    return {entry["manager"]: entry["operation"] for entry in thing["metadata"]["managedFields"]}


async def test_children_are_applied_as_the_operator_and_other_writers_keep_their_fields(
    kube: OfficialKube, namespace: str
) -> None:
    model, version = await stored(kube, namespace)
    subject = Subject(model=model, versions={version.name: version})
    traffic = GatewayTraffic(kube, builder_inputs.OPTIONS)
    for _ in range(2):
        await traffic.ensure(subject, version.name)
        await traffic.split(subject, {version.name: 100})
    service = await kube.get(INFERENCE_SERVICES, namespace, version.name)
    route = await kube.get(HTTP_ROUTES, namespace, "movies")
    assert service is not None
    assert route is not None
    assert managers(service) == managers(route) == {"recommender-operator": "Apply"}
    assert (service["metadata"]["generation"], route["metadata"]["generation"]) == (1, 1)
    label = {"metadata": {"labels": {"team": "web"}, "annotations": {"a": "b"}}}
    await kube.patch(HTTP_ROUTES, namespace, "movies", label)
    await traffic.split(subject, {version.name: 90, "movies-other": 10})
    route = await kube.get(HTTP_ROUTES, namespace, "movies")
    assert route is not None
    assert route["metadata"]["labels"]["team"] == "web"
    for rule in route["spec"]["rules"]:
        assert sorted(backend["weight"] for backend in rule["backendRefs"]) == [10, 90]
    await traffic.split(subject, {version.name: 100})
    view = await traffic.observe(subject)
    assert view.traffic.weights == {version.name: 100}


async def test_an_experiment_and_its_testers_are_one_route_that_reports_what_was_written(
    kube: OfficialKube, namespace: str
) -> None:
    model, version = await stored(kube, namespace)
    subject = Subject(model=model, versions={version.name: version})
    traffic = GatewayTraffic(kube, builder_inputs.OPTIONS)
    other = "movies-4567cdef"
    users = Assignment(id="00c0ffee", phase=0, cap=1000, candidate=other, percent=10)
    wider = dataclasses.replace(users, phase=1, percent=50)
    for step in (users, users, wider):
        routing = Routing(experiment=step.header, tester="let-me-see-it-first", tested=other)
        weights = {version.name: 100 - step.percent, other: step.percent}
        await traffic.split(subject, weights, routing=routing)
        seen = (await traffic.observe(subject)).traffic
        assert (seen.weights, seen.routing, seen.outdated) == (weights, routing, False)
    route = await kube.get(HTTP_ROUTES, namespace, "movies")
    assert route is not None
    assert route["metadata"]["generation"] == 2, "the same again is no change"
    await traffic.split(subject, {version.name: 100})
    seen = (await traffic.observe(subject)).traffic
    assert (seen.weights, seen.routing) == ({version.name: 100}, PLAIN)
    route = await kube.get(HTTP_ROUTES, namespace, "movies")
    assert route is not None
    assert all("set" not in str(rule["filters"]) for rule in route["spec"]["rules"])


async def test_a_fresh_champion_has_a_service_of_its_own_and_a_part_of_the_route(
    kube: OfficialKube, namespace: str
) -> None:
    model, version = await stored(kube, namespace)
    beside, other = baseline_deployment_names.deployment(version.name), "movies-4567cdef"
    subject = Subject(model=model, versions={version.name: version})
    traffic = GatewayTraffic(kube, builder_inputs.OPTIONS)
    for name in (version.name, beside, beside):
        await traffic.ensure(subject, name)
    weights = {version.name: 50, other: 50}
    routing = Routing(fresh=beside, fresh_weight=50)
    for _ in range(2):
        await traffic.split(subject, weights, routing=routing)
    view = await traffic.observe(subject)
    assert set(view.services) == {version.name, beside}
    assert (view.traffic.weights, view.traffic.routing) == (weights, routing)
    route = await kube.get(HTTP_ROUTES, namespace, "movies")
    assert route is not None
    assert route["metadata"]["generation"] == 1, "the same again is no change"
    await traffic.split(subject, {version.name: 100})
    await traffic.release(subject, beside)
    view = await traffic.observe(subject)
    assert set(view.services) == {version.name}
    assert (view.traffic.weights, view.traffic.routing) == ({version.name: 100}, PLAIN)


async def test_the_record_of_an_experiment_is_stored_as_it_was_written(
    kube: OfficialKube, namespace: str
) -> None:
    _, version = await stored(kube, namespace)
    phases = [
        ExperimentPhase(number=number, weight=number + 1, stable=version.name, since=NOW)
        for number in range(MAX_PHASES)
    ]
    numbers = MetricComparison(
        metric="RevenuePerUser", role="Guardrail", champion=1.5, candidate=0.0, difference=-1.0,
        low=-1.0, high=None, limit=0.1, champion_users=10**6, candidate_users=0,
    )  # fmt: skip
    primary = PrimaryMetric(metric=ExperimentMetric.REVENUE_PER_USER, smallest_effect=0.1)
    experiment = ExperimentStatus(
        id="00c0ffee", plan=ExperimentSpec(primary=(primary,)), phases=tuple(phases),
        verdict="Error", message="x" * 4096, users=10**6, metrics=(numbers,) * 10,
    )  # fmt: skip
    status = ModelVersionStatus(experiment=experiment).dump()
    thing = await kube.get(VERSIONS, namespace, version.name)
    assert thing is not None
    assert await OwnedObjects(kube).write_status(VERSIONS, thing, status) is not None
    found = await kube.get(VERSIONS, namespace, version.name)
    assert found is not None
    assert version_object(found).status.experiment == experiment


async def test_a_promotion_in_knative_mode_removes_the_percent_from_the_object(
    kube: OfficialKube, namespace: str
) -> None:
    model, version = await stored(kube, namespace, rollout={"traffic": "Knative"})
    subject = Subject(model=model, versions={version.name: version})
    traffic = KnativeTraffic(kube, builder_inputs.OPTIONS)
    await traffic._put(subject, version.name, 10)
    service = await kube.get(INFERENCE_SERVICES, namespace, "movies")
    assert service is not None
    assert service["spec"]["predictor"]["canaryTrafficPercent"] == 10
    await traffic._put(subject, version.name, None)
    service = await kube.get(INFERENCE_SERVICES, namespace, "movies")
    assert service is not None
    assert "canaryTrafficPercent" not in service["spec"]["predictor"]


async def test_installed_kinds_are_found_and_missing_ones_are_not(
    kube: OfficialKube,
) -> None:
    assert await kube.serves(INFERENCE_SERVICES)
    assert await kube.serves(HTTP_ROUTES)
    assert not await kube.serves(Resource("gateway.networking.k8s.io", "v1", "teapots"))
    assert not await kube.serves(Resource("nobody.example", "v1", "things"))
