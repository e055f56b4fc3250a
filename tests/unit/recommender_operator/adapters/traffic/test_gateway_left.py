"""A service outlives the record of its version, and gets the rebuilt one as its controller."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_operator.adapters.kinds import INFERENCE_SERVICES
from recommender_operator.adapters.objects.owned_writes import ForeignObjectError
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.resources import labels
from tests.fakes.kube import FakeKube
from tests.unit.recommender_operator.adapters.traffic.gateway_world import (
    NAME,
    PAIR,
    served,
    subject,
)
from tests.unit.recommender_operator.resources.builder_inputs import model, version

REBUILT = dataclasses.replace(version(), uid="uid-rebuilt")


def rebuilt() -> Subject:
    return Subject(model=model(), versions={NAME: REBUILT}, pods={NAME: PAIR})


def owners(kube: FakeKube) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kube.find(INFERENCE_SERVICES, NAME)["metadata"][
        "ownerReferences"
    ]
    return found


@pytest.mark.parametrize("collected", [True, False], ids=["collected", "not yet"])
async def test_a_service_gets_the_rebuilt_record_of_its_version_by_one_write(
    collected: bool,
) -> None:
    """Garbage collection has removed the reference to the former record, or has not yet."""
    kube = FakeKube()
    traffic = await served(kube)
    former = {**owners(kube)[0], "controller": False}
    if collected:
        del owners(kube)[0]
    seen = rebuilt()
    view = await traffic.observe(seen)
    assert view.to_adopt == (NAME,)
    assert not view.foreign
    written = len(kube.writes)
    await traffic.adopt(seen, NAME)
    assert kube.writes[written:] == [("patch", "inferenceservices", NAME)]
    left = [] if collected else [former]
    assert owners(kube) == [*labels.of_service(model(), REBUILT), *left]
    view = await traffic.observe(again := rebuilt())
    assert view.to_adopt == ()
    assert not view.services[NAME].outdated
    await traffic.ensure(again, NAME)
    assert len(kube.writes) == written + 1


async def test_a_service_without_the_record_of_its_version_can_be_removed_but_not_adopted() -> (
    None
):
    kube = FakeKube()
    traffic = await served(kube)
    del owners(kube)[0]
    seen = Subject(model=model(), versions={})
    view = await traffic.observe(seen)
    assert (set(view.services), view.to_adopt) == ({NAME}, ())
    await traffic.release(seen, NAME)
    assert kube.names(INFERENCE_SERVICES) == []


async def test_a_service_of_an_earlier_release_gets_its_model_as_an_owner_and_no_new_pods() -> (
    None
):
    kube = FakeKube()
    traffic = await served(kube)
    del owners(kube)[1]
    spec = dict(kube.find(INFERENCE_SERVICES, NAME)["spec"])
    view = await traffic.observe(seen := subject(*PAIR))
    assert view.services[NAME].outdated
    written = len(kube.writes)
    await traffic.ensure(seen, NAME)
    assert kube.writes[written:] == [("patch", "inferenceservices", NAME)]
    assert owners(kube) == labels.of_service(model(), version())
    assert kube.find(INFERENCE_SERVICES, NAME)["spec"] == spec
    assert not (await traffic.observe(subject(*PAIR))).services[NAME].outdated


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Shop"},
        {"apiVersion": "example.com/v1alpha1"},
    ],
    ids=["kind", "group"],
)
async def test_a_service_that_something_else_controls_is_foreign_although_its_model_owns_it(
    change: dict[str, str],
) -> None:
    kube = FakeKube()
    traffic = await served(kube)
    owners(kube)[0].update(change, uid="uid-other")
    view = await traffic.observe(seen := subject(*PAIR))
    assert (dict(view.services), view.to_adopt) == ({}, ())
    assert [found.name for found in view.foreign] == [NAME]
    with pytest.raises(ForeignObjectError):
        await traffic.release(seen, NAME)


async def test_a_service_of_an_earlier_model_of_the_name_is_foreign() -> None:
    kube = FakeKube()
    traffic = await served(kube)
    later = dataclasses.replace(model(), uid="uid-later")
    view = await traffic.observe(Subject(model=later, versions={NAME: REBUILT}))
    assert (dict(view.services), view.to_adopt) == ({}, ())
