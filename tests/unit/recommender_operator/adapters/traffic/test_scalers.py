"""Autoscalers of the operator and ScaledObjects of KEDA: one of them, never both."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_operator.adapters.kubernetes.port import (
    AUTOSCALERS,
    INFERENCE_SERVICES,
    SCALED_OBJECTS,
    Object,
)
from recommender_operator.adapters.objects.owned_writes import ForeignObjectError
from recommender_operator.adapters.traffic.gateway import GatewayTraffic
from recommender_operator.adapters.traffic.port import Subject
from recommender_operator.resources import autoscaling, scaled_objects
from recommender_operator.resources.labels import Component
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
PODS = tuple(pod(kind, NAME, component=kind) for kind in Component)


class Keda:
    """A cluster with KEDA, as far as the operator sees it."""

    def __init__(self, *, served: bool = True, options: Any = WITH_KEDA) -> None:
        self.kube = FakeKube()
        if served:
            self.kube.kinds.add(SCALED_OBJECTS)
        self.traffic = GatewayTraffic(self.kube, options)

    async def look(self, sections: dict[str, Any], pods: tuple[Object, ...] = PODS) -> bool:
        """Look once, and act if the service is outdated, as the operator does."""
        subject = Subject(model=model(**sections), versions={NAME: version()}, pods={NAME: pods})
        view = await self.traffic.observe(subject)
        outdated = NAME not in view.services or view.services[NAME].outdated
        if outdated:
            await self.traffic.ensure(subject, NAME)
        return outdated

    async def settle(self, sections: dict[str, Any]) -> None:
        for _ in range(5):
            if not await self.look(sections):
                return
            assert not (self.autoscalers() and self.scaled_objects()), "both"
        raise AssertionError("it does not settle")

    def autoscalers(self) -> list[str]:
        return [name for name in self.kube.names(AUTOSCALERS) if name in AUTOSCALER_NAMES]

    def scaled_objects(self) -> list[str]:
        return self.kube.names(SCALED_OBJECTS)

    def make_autoscalers(self) -> None:
        """Make KEDA's own autoscalers."""
        for name in self.scaled_objects():
            made = self.kube.find(SCALED_OBJECTS, name)["metadata"]
            owner = {
                "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": name,
                "uid": made["uid"], "controller": True,
            }  # fmt: skip
            metadata = {"name": name, "namespace": "team", "labels": made["labels"]}
            self.kube.put(AUTOSCALERS, {"metadata": {**metadata, "ownerReferences": [owner]}})

    async def collect_garbage(self) -> None:
        for name in set(self.kube.names(AUTOSCALERS)) - set(AUTOSCALER_NAMES):
            uid = self.kube.find(AUTOSCALERS, name)["metadata"]["uid"]
            await self.kube.delete(AUTOSCALERS, "team", name, uid=uid)


async def test_keda_scales_if_it_is_asked_for_and_available() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    assert keda.scaled_objects() == SCALED_NAMES
    assert keda.kube.names(AUTOSCALERS) == []


@pytest.mark.parametrize("keda", [Keda(served=False), Keda(options=OPTIONS)], ids=["crd", "chart"])
async def test_without_keda_autoscalers_scale_as_with_the_other_engine(keda: Keda) -> None:
    await keda.settle(BY_KEDA)
    assert keda.autoscalers() == AUTOSCALER_NAMES
    assert keda.scaled_objects() == []


async def test_keda_takes_over_once_it_is_installed() -> None:
    keda = Keda(served=False)
    await keda.settle(BY_KEDA)
    keda.kube.kinds.add(SCALED_OBJECTS)
    await keda.settle(BY_KEDA)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], SCALED_NAMES)


async def test_a_scaled_object_waits_for_the_deployment_that_keda_requires() -> None:
    keda = Keda()
    await keda.look(BY_KEDA, pods=())
    assert not await keda.look(BY_KEDA, pods=()), "the version may become ready"
    assert keda.scaled_objects() == []
    await keda.settle(BY_KEDA)
    assert keda.scaled_objects() == SCALED_NAMES


async def test_a_model_changes_to_keda_without_a_moment_with_both_and_without_new_pods() -> None:
    keda = Keda()
    await keda.settle(BY_HPA)
    generation = keda.kube.find(INFERENCE_SERVICES, NAME)["metadata"]["generation"]
    await keda.look(BY_KEDA)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], []), "first it deletes"
    await keda.settle(BY_KEDA)
    assert keda.scaled_objects() == SCALED_NAMES
    assert keda.kube.find(INFERENCE_SERVICES, NAME)["metadata"]["generation"] == generation


async def test_a_model_changes_back_when_kedas_autoscalers_are_gone() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    keda.make_autoscalers()
    await keda.look(BY_HPA)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], []), "first it deletes"
    assert await keda.look(BY_HPA), "it waits"
    assert keda.autoscalers() == []
    await keda.collect_garbage()
    await keda.settle(BY_HPA)
    assert (keda.autoscalers(), keda.scaled_objects()) == (AUTOSCALER_NAMES, [])


async def test_a_scaled_object_that_keda_still_finalizes_is_waited_for() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    for name in SCALED_NAMES:
        metadata = keda.kube.find(SCALED_OBJECTS, name)["metadata"]
        metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    before = len(keda.kube.writes)
    for sections in (BY_HPA, BY_KEDA):
        assert await keda.look(sections)
    assert keda.kube.writes[before:] == []


async def test_without_autoscaling_keda_leaves_and_a_former_autoscaler_keeps_the_number() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    await keda.settle(FIXED)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], [])
    await keda.settle(BY_HPA)
    await keda.settle(FIXED)
    for name in AUTOSCALER_NAMES:
        assert keda.kube.find(AUTOSCALERS, name)["spec"]["maxReplicas"] == 3


async def test_a_change_of_targets_and_a_lost_scaled_object_are_applied_again() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    more = {"serving": {"replicas": 3, "autoscaling": {"maxReplicas": 9, "engine": "KEDA"}}}
    await keda.settle(more)
    uid = keda.kube.find(SCALED_OBJECTS, SCALED_NAMES[0])["metadata"]["uid"]
    await keda.kube.delete(SCALED_OBJECTS, "team", SCALED_NAMES[0], uid=uid)
    await keda.settle(more)
    for name in SCALED_NAMES:
        assert keda.kube.find(SCALED_OBJECTS, name)["spec"]["maxReplicaCount"] == 9


async def test_where_the_chart_withdraws_keda_its_scaled_objects_go_on_alone() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    keda.make_autoscalers()
    keda.traffic = GatewayTraffic(keda.kube, OPTIONS)
    assert not await keda.look(BY_KEDA)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], SCALED_NAMES)


async def test_a_foreign_scaled_object_is_neither_changed_nor_deleted() -> None:
    keda = Keda()
    theirs = {"metadata": {"name": SCALED_NAMES[0], "namespace": "team"}, "spec": {}}
    keda.kube.put(SCALED_OBJECTS, theirs)
    with pytest.raises(ForeignObjectError, match="ScaledObject team/movies"):
        await keda.settle(BY_KEDA)
    while await keda.look(BY_HPA):
        pass
    assert keda.kube.find(SCALED_OBJECTS, SCALED_NAMES[0])["spec"] == {}
    assert keda.autoscalers() == AUTOSCALER_NAMES
