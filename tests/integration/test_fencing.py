"""Preconditions of writes with a real API server, as `FakeKube` and the port define them."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.kinds import HTTP_ROUTES, INFERENCE_SERVICES, MODELS, VERSIONS
from recommender_operator.adapters.objects.owned_writes import (
    Claim,
    ForeignObjectError,
    OwnedObjects,
)
from recommender_operator.adapters.objects.parsed_objects import model_object, version_object
from recommender_operator.adapters.objects.preconditions import ObservedObjects
from recommender_operator.adapters.traffic.gateway_traffic import GatewayTraffic
from recommender_operator.adapters.traffic.knative.knative_traffic import KnativeTraffic
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import ConflictError, KubeError, Object, Resource
from recommender_operator.observed import ModelObject
from recommender_operator.reconcile.reconciler import Key
from recommender_operator.resources import http_route, model_version, names
from tests.integration.operator_api_rig import manifest, new_namespace
from tests.unit.recommender_operator.operator_rig import Rig
from tests.unit.recommender_operator.resources import builder_inputs

pytestmark = pytest.mark.integration

V1, V2 = "movies-11111111", "movies-22222222"


async def there(kube: OfficialKube, resource: Resource, namespace: str, name: str) -> Object:
    found = await kube.get(resource, namespace, name)
    assert found is not None
    return found


async def stored(kube: OfficialKube, namespace: str, **spec: Any) -> Subject:
    """Create a model with two published versions, and return it as a look would observe it."""
    raw = await kube.create(MODELS, manifest(namespace, **spec))
    assert raw is not None
    model = model_object(raw)
    versions = {}
    for name in (V1, V2):
        digest = name.removeprefix("movies-").ljust(64, "0")
        made = builder_inputs.version().spec.model_copy(update={"spec_hash": digest})
        thing = await kube.create(VERSIONS, model_version.model_version(model, name, made))
        assert thing is not None
        artifact = {"path": "artifacts/movies/ab", "digest": builder_inputs.DIGEST}
        status = {"stage": "Published", "artifact": artifact}
        thing = await OwnedObjects(kube).write_status(VERSIONS, thing, status)
        assert thing is not None
        versions[name] = version_object(thing)
    return Subject(model=model, versions=versions)


def again(subject: Subject) -> Subject:
    """Return the subject of a new look, which has seen nothing yet."""
    return Subject(model=subject.model, versions=subject.versions)


def claim_of(model: ModelObject, resource: Resource, *found: Object) -> Claim:
    seen = ObservedObjects()
    seen.read(resource, found)
    return Claim(owners={model.uid}, seen=seen)


async def test_a_split_decided_before_a_change_of_the_route_is_not_written(
    kube: OfficialKube, namespace: str
) -> None:
    subject = await stored(kube, namespace)
    traffic = GatewayTraffic(kube, builder_inputs.OPTIONS)
    frozen = again(subject)
    await traffic.split(subject, {V1: 90, V2: 10})
    await traffic.observe(frozen)
    await traffic.split(again(subject), {V1: 100})
    with pytest.raises(ConflictError):
        await traffic.split(frozen, {V1: 50, V2: 50})
    route = await there(kube, HTTP_ROUTES, namespace, "movies")
    assert http_route.weights_of(route) == {V1: 100}


async def test_a_route_deleted_since_it_was_seen_is_not_recreated(
    kube: OfficialKube, namespace: str
) -> None:
    subject = await stored(kube, namespace)
    traffic = GatewayTraffic(kube, builder_inputs.OPTIONS)
    await traffic.split(subject, {V1: 100})
    frozen = again(subject)
    await traffic.observe(frozen)
    await traffic.withdraw(again(subject))
    with pytest.raises(ConflictError, match="uid mismatch"):
        await traffic.split(frozen, {V1: 100})
    assert await kube.get(HTTP_ROUTES, namespace, "movies") is None


async def test_a_route_created_since_none_was_seen_is_not_overwritten(
    kube: OfficialKube, namespace: str
) -> None:
    """Both use the same field manager, so their fields never conflict."""
    subject = await stored(kube, namespace)
    traffic = GatewayTraffic(kube, builder_inputs.OPTIONS)
    frozen = again(subject)
    await traffic.observe(frozen)
    await traffic.split(again(subject), {V1: 100})
    with pytest.raises(ConflictError):
        await traffic.split(frozen, {V1: 50, V2: 50})
    route = await there(kube, HTTP_ROUTES, namespace, "movies")
    assert http_route.weights_of(route) == {V1: 100}
    managers = {entry["manager"] for entry in route["metadata"]["managedFields"]}
    assert managers == {"recommender-operator"}


@pytest.mark.parametrize("mode", ["Gateway", "Knative"])
async def test_status_and_metadata_writes_of_others_do_not_delay_a_split(
    mode: str, kube: OfficialKube, namespace: str
) -> None:
    subject = await stored(kube, namespace, rollout={"traffic": mode})
    options, knative = builder_inputs.OPTIONS, mode == "Knative"
    traffic = KnativeTraffic(kube, options) if knative else GatewayTraffic(kube, options)
    resource = INFERENCE_SERVICES if knative else HTTP_ROUTES
    if isinstance(traffic, KnativeTraffic):
        await traffic.ensure(subject, V1)
    else:
        await traffic.split(subject, {V1: 100})
    seen = again(subject)
    await traffic.observe(seen)
    before = await there(kube, resource, namespace, "movies")
    status: Object = {"parents": []} if resource is HTTP_ROUTES else {"url": "http://x.example"}
    body = {
        "apiVersion": before["apiVersion"],
        "kind": before["kind"],
        "metadata": {"name": "movies", "namespace": namespace},
        "status": status,
    }
    assert await kube.apply_status(resource, body) is not None
    note = {"metadata": {"annotations": {"example.com/a": "b"}, "finalizers": ["example.com/c"]}}
    await kube.patch(resource, namespace, "movies", note)
    if isinstance(traffic, KnativeTraffic):
        await traffic._put(seen, V2, None)
    else:
        await traffic.split(seen, {V2: 100})
    after = await there(kube, resource, namespace, "movies")
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert after["metadata"]["annotations"]["example.com/a"] == "b"
    assert V2 in str(after["spec"])
    await kube.patch(resource, namespace, "movies", {"metadata": {"finalizers": []}})


async def test_a_service_that_another_operator_changed_is_not_overwritten(
    kube: OfficialKube, namespace: str
) -> None:
    subject = await stored(kube, namespace, rollout={"traffic": "Knative"})
    traffic = KnativeTraffic(kube, builder_inputs.OPTIONS)
    await traffic.ensure(subject, V1)
    frozen = again(subject)
    await traffic.observe(frozen)
    await traffic._put(again(subject), V2, 10)
    with pytest.raises(ConflictError):
        await traffic._put(frozen, V1, None)
    service = await there(kube, INFERENCE_SERVICES, namespace, "movies")
    assert service["spec"]["predictor"]["canaryTrafficPercent"] == 10


async def test_a_status_overwrites_bookkeeping_but_no_other_decision(
    kube: OfficialKube, namespace: str
) -> None:
    subject = await stored(kube, namespace)
    objects = OwnedObjects(kube)
    before = await there(kube, MODELS, namespace, "movies")
    note = {"metadata": {"annotations": {"kopf.recommender.dev/x": "y"}}}
    await kube.patch(MODELS, namespace, "movies", note)
    stored_now = await objects.write_status(MODELS, before, {"stage": "Serving"})
    assert stored_now is not None
    for stage in ("Paused", "Serving"):
        latest = await there(kube, MODELS, namespace, "movies")
        assert await objects.write_status(MODELS, latest, {"stage": stage}) is not None
    latest = await there(kube, MODELS, namespace, "movies")
    assert latest["status"] == stored_now["status"]
    changed = {"spec": {"training": {"seed": 18}}}
    await kube.patch(MODELS, namespace, "movies", changed)
    for old in (before, latest):
        with pytest.raises(ConflictError):
            await objects.write_status(MODELS, old, {"stage": "Pending"})
    version = await there(kube, VERSIONS, namespace, V1)
    uid = version["metadata"]["uid"]
    assert await kube.delete(VERSIONS, namespace, V1, uid=uid)
    assert await objects.write_status(VERSIONS, version, {"stage": "Failed"}) is None
    assert subject.model.name == "movies"


async def test_a_status_of_a_recreated_object_is_a_conflict(
    kube: OfficialKube, namespace: str
) -> None:
    await stored(kube, namespace)
    before = await there(kube, VERSIONS, namespace, V1)
    assert await kube.delete(VERSIONS, namespace, V1, uid=before["metadata"]["uid"])
    fresh = {key: before[key] for key in ("apiVersion", "kind", "spec")}
    fresh["metadata"] = {"name": V1, "namespace": namespace}
    assert await kube.create(VERSIONS, fresh) is not None
    with pytest.raises(ConflictError):
        await OwnedObjects(kube).write_status(VERSIONS, before, {"stage": "Failed"})
    assert not await kube.delete(VERSIONS, namespace, V1, uid=before["metadata"]["uid"])
    assert "status" not in await there(kube, VERSIONS, namespace, V1)


async def test_the_api_server_rejects_a_second_controller(
    kube: OfficialKube, namespace: str
) -> None:
    subject = await stored(kube, namespace)
    other = http_route.http_route(subject.model, {V1: 100}, builder_inputs.OPTIONS)
    owner = other["metadata"]["ownerReferences"][0]
    other["metadata"]["ownerReferences"] = [owner | {"uid": "another", "name": "web"}]
    raw = await kube.create(HTTP_ROUTES, other)
    wanted = http_route.http_route(subject.model, {V2: 100}, builder_inputs.OPTIONS)
    with pytest.raises(KubeError, match="Only one reference can have Controller"):
        await kube.apply(HTTP_ROUTES, wanted, over=raw)


@pytest.mark.parametrize("owners", [[], ["Shop"]], ids=["no owner", "another controller"])
async def test_foreign_objects_are_not_changed(owners: list[str], kube: OfficialKube) -> None:
    namespace = new_namespace()
    subject = await stored(kube, namespace)
    references = [
        {"apiVersion": "v1", "kind": kind, "name": "web", "uid": "u", "controller": True}
        for kind in owners
    ]
    other = http_route.http_route(subject.model, {V1: 100}, builder_inputs.OPTIONS)
    other["metadata"]["ownerReferences"] = references
    before = await kube.create(HTTP_ROUTES, other)
    traffic = GatewayTraffic(kube, builder_inputs.OPTIONS)
    view = await traffic.observe(subject)
    assert "does not belong to this model" in view.traffic.message
    for look in (subject, again(subject)):
        for write in (traffic.split(look, {V2: 100}), traffic.withdraw(look)):
            with pytest.raises(ForeignObjectError):
                await write
    assert await kube.get(HTTP_ROUTES, namespace, "movies") == before


async def test_an_orphan_is_adopted_only_if_it_has_not_changed(
    kube: OfficialKube, namespace: str
) -> None:
    subject = await stored(kube, namespace)
    bare: Object = {"metadata": {"ownerReferences": None}}
    orphan = await kube.patch(VERSIONS, namespace, V1, bare)
    assert orphan is not None
    label = {"metadata": {"labels": {"x": "y"}}}
    changed = await kube.patch(VERSIONS, namespace, V1, label)
    assert changed is not None
    objects, owners = (
        OwnedObjects(kube),
        [
            {
                "apiVersion": "recommender.dev/v1alpha1",
                "kind": "RecommenderModel",
                "name": "movies",
                "uid": subject.model.uid,
                "controller": True,
            }
        ],
    )
    with pytest.raises(ConflictError):
        await objects.adopt(VERSIONS, orphan, owners, claim_of(subject.model, VERSIONS, orphan))
    claim = claim_of(subject.model, VERSIONS, changed)
    await objects.adopt(VERSIONS, changed, owners, claim)
    adopted = claim.seen.get(VERSIONS, V1)
    assert adopted is not None
    assert adopted["metadata"]["ownerReferences"][0]["uid"] == subject.model.uid


async def test_a_model_reports_a_foreign_route_and_its_lifecycle_continues(
    kube: OfficialKube, namespace: str
) -> None:
    raw = await kube.create(MODELS, manifest(namespace))
    assert raw is not None
    other = http_route.http_route(model_object(raw), {V1: 100}, builder_inputs.OPTIONS)
    other["metadata"]["ownerReferences"] = []
    before = await kube.create(HTTP_ROUTES, other)
    rig = Rig(kube=kube, key=Key(namespace, "movies"))
    for _ in range(3):
        await rig.reconciler.reconcile(rig.key)
    status = (await there(kube, MODELS, namespace, "movies"))["status"]
    condition = next(c for c in status["conditions"] if c["type"] == "ObjectsOwned")
    assert condition["status"] == "False"
    assert (
        f"HTTPRoute {namespace}/movies does not belong to this model (no owner)"
        in condition["message"]
    )
    name = names.desired_version("movies", model_object(raw).spec)
    assert await kube.get(VERSIONS, namespace, name) is not None
    assert await kube.get(HTTP_ROUTES, namespace, "movies") == before
