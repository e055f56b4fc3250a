"""Autoscalers of the operator and ScaledObjects of KEDA: one of them, never both."""

from __future__ import annotations

import pytest

from recommender_operator.adapters.kinds import AUTOSCALERS, INFERENCE_SERVICES, SCALED_OBJECTS
from recommender_operator.controller.kube import Object
from tests.unit.recommender_operator.adapters.traffic.keda.keda_world import (
    AUTOSCALER_NAMES,
    BY_HPA,
    BY_KEDA,
    FIXED,
    NAME,
    PODS,
    SCALED_NAMES,
    Keda,
)
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS


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


@pytest.mark.parametrize("pods", [(), PODS[:2]], ids=["none", "too few"])
async def test_an_autoscaler_starts_the_pods_of_a_version_before_keda_scales_them(
    pods: tuple[Object, ...],
) -> None:
    keda = Keda()
    await keda.look(BY_KEDA, pods=pods)
    assert not await keda.look(BY_KEDA, pods=pods), "the version may become ready"
    assert (keda.autoscalers(), keda.scaled_objects()) == (AUTOSCALER_NAMES, [])
    await keda.settle(BY_KEDA)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], SCALED_NAMES)


@pytest.mark.parametrize(
    "gone",
    [
        {"metadata": {"deletionTimestamp": "2026-01-01T12:00:00Z"}},
        {"status": {"phase": "Failed", "reason": "Evicted"}},
        {"status": {"phase": "Succeeded"}},
    ],
    ids=["leaving", "evicted", "ended"],
)
async def test_pods_in_whose_place_others_come_do_not_count(gone: dict[str, Object]) -> None:
    keda = Keda()
    pods = tuple(
        {**pod, **{part: {**pod[part], **content} for part, content in gone.items()}}
        if pod["metadata"]["name"].endswith("-0")
        else pod
        for pod in PODS
    )
    for _ in range(3):
        await keda.look(BY_KEDA, pods=pods)
    assert (keda.autoscalers(), keda.scaled_objects()) == (AUTOSCALER_NAMES, [])


async def test_pods_that_do_not_answer_yet_count() -> None:
    keda = Keda()
    unready = tuple({**pod, "status": {"phase": "Pending"}} for pod in PODS)
    for _ in range(3):
        await keda.look(BY_KEDA, pods=unready)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], SCALED_NAMES)


async def test_while_kedas_autoscaler_outlives_its_scaled_object_no_other_comes() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    keda.make_autoscalers()
    for name in SCALED_NAMES:
        uid = keda.kube.find(SCALED_OBJECTS, name)["metadata"]["uid"]
        await keda.kube.delete(SCALED_OBJECTS, "team", name, uid=uid)
    assert await keda.look(BY_KEDA, pods=()), "it waits"
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], [])
    await keda.collect_garbage()
    await keda.look(BY_KEDA, pods=())
    assert keda.autoscalers() == AUTOSCALER_NAMES


async def test_pods_that_are_missing_for_a_while_take_nothing_from_keda() -> None:
    keda = Keda()
    await keda.settle(BY_KEDA)
    assert not await keda.look(BY_KEDA, pods=())
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
    keda.start_deletion()
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
    keda.use(OPTIONS)
    assert not await keda.look(BY_KEDA)
    assert (keda.autoscalers(), keda.scaled_objects()) == ([], SCALED_NAMES)
