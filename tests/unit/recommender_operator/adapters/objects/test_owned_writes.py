"""Writes go only to observed objects that the model owns."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.kinds import HTTP_ROUTES, JOBS, MODELS, VERSIONS
from recommender_operator.adapters.objects.owned_writes import (
    TRIES,
    Claim,
    ForeignObjectError,
    OwnedObjects,
)
from recommender_operator.adapters.objects.preconditions import ObservedObjects
from recommender_operator.controller.kube import ConflictError, Object
from recommender_operator.resources import http_route
from tests.fakes.documents import copied
from tests.fakes.kube import FakeKube
from tests.fakes.objects import add_model
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model

STRANGER = [
    {"apiVersion": "example.com/v1", "kind": "Shop", "name": "web", "uid": "u", "controller": True}
]


def route(**weights: int) -> Object:
    wanted = {f"movies-{name}": weight for name, weight in weights.items()}
    return http_route.http_route(model(), wanted, OPTIONS)


class Rig:
    def __init__(self, *routes: Object) -> None:
        self.kube = FakeKube()
        self.objects = OwnedObjects(self.kube)
        for thing in routes:
            self.kube.put(HTTP_ROUTES, thing)
        self.claim = self.look()

    def look(self) -> Claim:
        """Return a claim over the current objects."""
        seen = ObservedObjects()
        there = [copied(o) for (kind, _, _), o in self.kube.objects.items() if kind == HTTP_ROUTES]
        seen.read(HTTP_ROUTES, there)
        return Claim(owners={model().uid}, seen=seen)

    async def split(self, **weights: int) -> Object:
        return await self.objects.apply(HTTP_ROUTES, route(**weights), self.claim)

    @property
    def weights(self) -> dict[str, int]:
        return http_route.weights_of(self.kube.find(HTTP_ROUTES, "movies"))


async def test_a_second_write_of_one_look_follows_the_first() -> None:
    rig = Rig()
    await rig.split(a=100)
    await rig.split(a=90, b=10)
    assert rig.weights == {"movies-a": 90, "movies-b": 10}


@pytest.mark.parametrize("owners", [[], STRANGER], ids=["no owner", "another controller"])
async def test_a_foreign_object_is_neither_changed_nor_deleted(owners: Any) -> None:
    other = route(shop=100)
    other["metadata"]["ownerReferences"] = owners
    rig = Rig(other)
    before = {place: copied(thing) for place, thing in rig.kube.objects.items()}
    with pytest.raises(
        ForeignObjectError, match="HTTPRoute team/movies does not belong to this model"
    ):
        await rig.split(a=100)
    with pytest.raises(ForeignObjectError):
        await rig.objects.delete(HTTP_ROUTES, "team", "movies", rig.claim)
    found = rig.kube.find(HTTP_ROUTES, "movies")
    with pytest.raises(ForeignObjectError):
        await rig.objects.patch(HTTP_ROUTES, found, {"spec": {}}, rig.claim)
    assert (rig.kube.objects, rig.kube.writes) == (before, [])


async def test_a_foreign_object_that_appears_after_the_look_is_not_changed() -> None:
    rig = Rig()
    other = route(shop=100)
    other["metadata"]["ownerReferences"] = STRANGER
    rig.kube.put(HTTP_ROUTES, other)
    with pytest.raises(ForeignObjectError, match="Shop/web"):
        await rig.split(a=100)
    rig.kube.put(JOBS, {"kind": "Job", "metadata": other["metadata"]})
    manifest = {"kind": "Job", "metadata": {"name": "movies", "namespace": "team"}}
    with pytest.raises(ForeignObjectError, match=r"Job team/movies .*Shop/web"):
        await rig.objects.create(JOBS, manifest, rig.claim)


async def test_an_object_that_loses_its_owner_after_the_look_is_not_changed() -> None:
    rig = Rig(route(a=100))
    rig.kube.touch(HTTP_ROUTES, "movies")["metadata"]["ownerReferences"] = []
    with pytest.raises(ConflictError):
        await rig.split(b=100)
    rig.claim = rig.look()
    with pytest.raises(ForeignObjectError):
        await rig.split(b=100)
    assert rig.weights == {"movies-a": 100}


async def test_status_and_metadata_writes_of_others_are_not_a_conflict() -> None:
    rig = Rig(route(a=100))
    thing = rig.kube.touch(HTTP_ROUTES, "movies")
    thing["status"] = {"parents": []}
    thing["metadata"]["annotations"] |= {"other/x": "y"}
    thing["metadata"]["finalizers"] = ["example.com/z"]
    await rig.split(b=100)
    assert rig.weights == {"movies-b": 100}
    assert rig.kube.find(HTTP_ROUTES, "movies")["status"] == {"parents": []}


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        {"annotations": {"recommender.dev/retiring": "movies-a"}},
        {"labels": {"recommender.dev/model": "books"}},
        {"uid": "made-anew"},
    ],
    ids=str,
)
async def test_a_change_that_decisions_depend_on_is_a_conflict(change: dict[str, Any]) -> None:
    rig = Rig(route(a=100))
    rig.kube.touch(HTTP_ROUTES, "movies")["metadata"] |= change
    before = {place: copied(thing) for place, thing in rig.kube.objects.items()}
    with pytest.raises(ConflictError):
        await rig.split(b=100)
    assert rig.kube.objects == before


async def test_deleted_objects_are_not_created_again_and_new_ones_are_not_overwritten() -> None:
    rig = Rig(route(a=100))
    uid = rig.kube.find(HTTP_ROUTES, "movies")["metadata"]["uid"]
    await rig.kube.delete(HTTP_ROUTES, "team", "movies", uid=uid)
    with pytest.raises(ConflictError):
        await rig.split(b=100)
    assert rig.kube.names(HTTP_ROUTES) == []
    rig.claim = rig.look()
    rig.kube.put(HTTP_ROUTES, route(c=100))
    with pytest.raises(ConflictError):
        await rig.split(b=100)
    assert rig.weights == {"movies-c": 100}


async def test_an_own_object_that_lost_its_labels_is_found_by_its_name() -> None:
    unlabelled = route(a=100)
    labels = unlabelled["metadata"].pop("labels")
    rig = Rig()
    rig.kube.put(HTTP_ROUTES, unlabelled)
    await rig.split(b=100)
    assert rig.weights == {"movies-b": 100}
    assert rig.kube.find(HTTP_ROUTES, "movies")["metadata"]["labels"] == labels


async def test_endless_changes_by_others_are_a_conflict_after_some_tries() -> None:
    rig = Rig(route(a=100))

    def busy(verb: str, *_: Any) -> None:
        if verb == "apply":
            rig.kube.touch(HTTP_ROUTES, "movies")

    rig.kube.fault = busy
    with pytest.raises(ConflictError):
        await rig.split(b=100)
    assert rig.kube.writes == [("apply", "httproutes", "movies")] * TRIES


async def test_a_status_is_written_over_the_annotations_of_others_and_over_no_other_status() -> (
    None
):
    rig = Rig()
    before = copied(add_model(rig.kube))
    thing = rig.kube.touch(MODELS, "movies")
    thing["metadata"]["annotations"] = {"kopf.recommender.dev/x": "y"}
    stored = await rig.objects.write_status(MODELS, before, {"stage": "Serving"})
    assert stored is not None
    assert stored["metadata"]["annotations"] == {"kopf.recommender.dev/x": "y"}
    with pytest.raises(ConflictError):
        await rig.objects.write_status(MODELS, before, {"stage": "Pending"})
    rig.kube.touch(MODELS, "movies")["metadata"]["annotations"]["recommender.dev/promote"] = "t"
    with pytest.raises(ConflictError):
        await rig.objects.write_status(MODELS, stored, {"stage": "Pending"})
    assert rig.kube.find(MODELS, "movies")["status"] == {"stage": "Serving"}


async def test_a_status_that_went_and_came_back_has_changed() -> None:
    rig = Rig()
    before = copied(rig.kube.put(MODELS, {**add_model(rig.kube), "status": {"w": 100}}))
    latest: Object | None = before
    for weight in (90, 100):
        assert latest is not None
        latest = await rig.objects.write_status(MODELS, latest, {"w": weight})
    assert latest is not None
    assert latest["status"] == before["status"]
    with pytest.raises(ConflictError):
        await rig.objects.write_status(MODELS, before, {"w": 90})


async def test_a_status_of_a_deleted_object_is_not_written() -> None:
    rig = Rig()
    before = copied(add_model(rig.kube))
    rig.kube.objects.clear()
    assert await rig.objects.write_status(MODELS, before, {}) is None


async def test_an_orphan_that_changed_since_it_was_seen_is_not_adopted() -> None:
    rig = Rig()
    metadata = {"name": "movies-1", "namespace": "team"}
    orphan = copied(rig.kube.put(VERSIONS, {"metadata": metadata}))
    rig.kube.touch(VERSIONS, "movies-1")
    with pytest.raises(ConflictError):
        await rig.objects.adopt(VERSIONS, orphan, STRANGER, rig.claim)


async def test_another_object_of_a_deleted_ones_name_is_not_deleted() -> None:
    rig = Rig(route(a=100))
    rig.kube.put(HTTP_ROUTES, route(b=100))["metadata"]["uid"] = "made-anew"
    await rig.objects.delete(HTTP_ROUTES, "team", "movies", rig.claim)
    assert rig.weights == {"movies-b": 100}


async def test_creating_an_existing_object_of_the_model_succeeds() -> None:
    rig = Rig()
    assert await rig.objects.create(HTTP_ROUTES, route(a=100), rig.claim)
    assert not await rig.objects.create(HTTP_ROUTES, route(a=100), rig.claim)
