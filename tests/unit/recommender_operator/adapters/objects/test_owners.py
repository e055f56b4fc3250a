"""The owners of pods, by controllers up to a known uid, and the number of reads."""

from __future__ import annotations

import dataclasses

import pytest

from recommender_operator.adapters.kinds import (
    CONFIGURATIONS,
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    JOB_SETS,
    JOBS,
    KNATIVE_SERVICES,
    REPLICA_SETS,
    REVISIONS,
)
from recommender_operator.adapters.objects.owned import Controller, controller_of
from recommender_operator.adapters.objects.owners import LOOKUPS, OwnerReader
from recommender_operator.controller.kube import Object, Resource
from tests.fakes.kube import FakeKube
from tests.fakes.objects import controller, pod

KINDS = {
    "ReplicaSet": REPLICA_SETS,
    "Deployment": DEPLOYMENTS,
    "InferenceService": INFERENCE_SERVICES,
    "Revision": REVISIONS,
    "Configuration": CONFIGURATIONS,
    "Service": KNATIVE_SERVICES,
    "Job": JOBS,
    "JobSet": JOB_SETS,
}
Links = tuple[tuple[str, str], ...]
#: Controllers from a pod's own to the known one, as (kind, name).
STANDARD: Links = (
    ("ReplicaSet", "v-predictor-6b7d"),
    ("Deployment", "v-predictor"),
    ("InferenceService", "v"),
    ("ModelVersion", "v"),
)
FRESH: Links = (
    ("ReplicaSet", "v-f-transformer-6b7d"),
    ("Deployment", "v-f-transformer"),
    ("InferenceService", "v-f"),
    ("ModelVersion", "v"),
)
KNATIVE: Links = (
    ("ReplicaSet", "m-predictor-00001-deployment-6b7d"),
    ("Deployment", "m-predictor-00001-deployment"),
    ("Revision", "m-predictor-00001"),
    ("Configuration", "m-predictor"),
    ("Service", "m-predictor"),
    ("InferenceService", "m"),
    ("RecommenderModel", "m"),
)
GROUP: Links = (("Job", "t-node-0"), ("JobSet", "t"), ("TrainJob", "t"))
SINGLE: Links = (("Job", "j"),)
CHAINS = {
    "standard": STANDARD, "fresh": FRESH, "Knative": KNATIVE, "group": GROUP, "single": SINGLE,
}  # fmt: skip


def add(kube: FakeKube, kind: str, name: str, owners: list[Object]) -> Object:
    resource: Resource = KINDS[kind]
    metadata = {"name": name, "namespace": "team", "uid": f"uid-{kind}", "ownerReferences": owners}
    return kube.put(resource, {"metadata": metadata})


def chain(kube: FakeKube, links: Links) -> Object:
    """Store the objects between a pod and its last owner, and return the pod."""
    owners = controller(*links[-1], "uid-last")
    for kind, name in reversed(links[:-1]):
        add(kube, kind, name, owners)
        owners = controller(kind, name, f"uid-{kind}")
    return pod("p", "v", owners=owners)


def last(links: Links) -> Controller:
    found = controller_of({"metadata": {"ownerReferences": controller(*links[-1], "uid-last")}})
    assert found is not None
    return found


async def owners(reader: OwnerReader, *pods: Object, ends: Links = STANDARD) -> dict[str, str]:
    return await reader.owners("team", pods, [last(ends)])


@pytest.mark.parametrize("links", CHAINS.values(), ids=CHAINS)
async def test_a_pod_is_followed_to_its_owner_and_costs_nothing_at_the_next_look(
    links: Links,
) -> None:
    kube = FakeKube()
    reader = OwnerReader(kube)
    thing = chain(kube, links)
    for _ in range(3):
        assert await owners(reader, thing, ends=links) == {"uid-p": "uid-last"}
    assert len(kube.reads) == len(links) - 1
    another = dataclasses.replace(last(links), uid="uid-of-another")
    assert await reader.owners("team", [thing], [another]) == {}


@pytest.mark.parametrize("collected", [True, False], ids=["collected", "not yet"])
async def test_a_service_that_was_forgotten_leads_to_its_new_controller_at_once(
    collected: bool,
) -> None:
    """Also if it had no controller in between, which is not asked for again so soon."""
    kube = FakeKube()
    reader = OwnerReader(kube)
    thing = chain(kube, STANDARD)
    service = kube.find(INFERENCE_SERVICES, "v")["metadata"]
    if collected:
        service["ownerReferences"] = []
    rebuilt = dataclasses.replace(last(STANDARD), uid="uid-rebuilt")
    await owners(reader, thing)
    service["ownerReferences"] = controller(*STANDARD[-1], "uid-rebuilt")
    assert await reader.owners("team", [thing], [rebuilt]) == {}
    reader.forget([service["uid"]])
    assert await reader.owners("team", [thing], [rebuilt]) == {"uid-p": "uid-rebuilt"}


def shortened() -> list[tuple[Links, Links]]:
    """Return each chain with the parts of it that lack some of its objects."""
    return [
        (links, (*links[:left], *links[right:]))
        for links in CHAINS.values()
        for left in range(len(links))
        for right in range(left + 1, len(links))
    ]


@pytest.mark.parametrize(("links", "forged"), shortened(), ids=str)
async def test_a_pod_that_names_a_controller_further_up_does_not_count(
    links: Links, forged: Links
) -> None:
    """Nothing corrects the owner reference of such a pod, but whoever made it."""
    assert await owners(OwnerReader(kube := FakeKube()), chain(kube, forged), ends=links) == {}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("place", range(7))
async def test_kinds_of_other_api_groups_do_not_count(name: str, place: int) -> None:
    links = CHAINS[name]
    kube = FakeKube()
    thing = chain(kube, links)
    things = [thing, *(kube.find(KINDS[kind], its) for kind, its in links[:-1])]
    if place < len(things):
        (owner,) = things[place]["metadata"]["ownerReferences"]
        owner["apiVersion"] = f"example.com/{owner['apiVersion'].rpartition('/')[2]}"
        assert await owners(OwnerReader(kube), thing, ends=links) == {}


@pytest.mark.parametrize(
    ("place", "name"),
    [(1, "v-predictor-2"), (1, "w-predictor"), (1, "v"), (2, "w"), (2, "v-f-f")],
)
async def test_an_object_with_a_name_that_its_controller_does_not_give_does_not_count(
    place: int, name: str
) -> None:
    """Whoever may create Deployments could make a second one for an InferenceService."""
    named = tuple((kind, name if at == place else its) for at, (kind, its) in enumerate(STANDARD))
    kube = FakeKube()
    assert await owners(OwnerReader(kube), chain(kube, named)) == {}


@pytest.mark.parametrize("place", [3, 4, 5])
async def test_names_in_knative_mode_are_those_that_its_controllers_give(place: int) -> None:
    named = tuple((kind, "x" if at == place else its) for at, (kind, its) in enumerate(KNATIVE))
    kube = FakeKube()
    assert await owners(OwnerReader(kube), chain(kube, named), ends=KNATIVE) == {}


@pytest.mark.parametrize("links", [SINGLE, STANDARD], ids=["single", "standard"])
async def test_a_known_uid_under_another_name_or_kind_does_not_count(links: Links) -> None:
    kube = FakeKube()
    thing = chain(kube, links)
    end = last(links)
    for other in (
        dataclasses.replace(end, name="w"),
        dataclasses.replace(end, kind="RecommenderModel"),
        dataclasses.replace(end, group="example.com"),
    ):
        assert await OwnerReader(kube).owners("team", [thing], [other]) == {}


@pytest.mark.parametrize("place", range(3))
async def test_a_name_with_another_uid_is_not_an_owner(place: int) -> None:
    kube = FakeKube()
    thing = chain(kube, STANDARD)
    kind, name = STANDARD[place]
    kube.find(KINDS[kind], name)["metadata"]["uid"] = "uid-of-another"
    assert await owners(OwnerReader(kube), thing) == {}


@pytest.mark.parametrize("place", range(3))
async def test_an_owner_that_is_not_a_controller_does_not_count(place: int) -> None:
    kube = FakeKube()
    thing = chain(kube, STANDARD)
    kind, name = STANDARD[place]
    found = kube.find(KINDS[kind], name)
    found["metadata"]["ownerReferences"][0]["controller"] = False
    assert await owners(OwnerReader(kube), thing) == {}


@pytest.mark.parametrize(
    "bad", [[], controller("Team", "last", "uid-x"), [{}], [{"controller": 1}]]
)
async def test_a_pod_without_a_known_owner_is_ignored(bad: list[Object]) -> None:
    kube = FakeKube()
    assert await owners(OwnerReader(kube), pod("p", "v", owners=bad)) == {}
    assert kube.reads == []


async def test_owners_in_a_circle_end_the_search() -> None:
    kube = FakeKube()
    add(kube, "ReplicaSet", "r", controller("Deployment", "d", "uid-Deployment"))
    add(kube, "Deployment", "d", controller("ReplicaSet", "r", "uid-ReplicaSet"))
    thing = pod("p", "v", owners=controller("ReplicaSet", "r", "uid-ReplicaSet"))
    assert await owners(OwnerReader(kube), thing) == {}
    assert len(kube.reads) == 2


async def test_any_number_of_foreign_pods_needs_a_limited_number_of_reads() -> None:
    kube = FakeKube()
    now = 0.0
    reader = OwnerReader(kube, clock=lambda: now)
    strangers = [
        pod(f"s-{i}", "v", owners=controller("ReplicaSet", f"r-{i}", f"u-{i}"))
        for i in range(3 * LOOKUPS)
    ]
    own = chain(kube, STANDARD)
    looks = 0
    while not await owners(reader, *strangers, own):
        looks += 1
        assert len(kube.reads) == looks * LOOKUPS
    assert looks == 3
    before = len(kube.reads)
    assert await owners(reader, *strangers, own)
    assert len(kube.reads) == before
    now = 31.0
    assert await owners(reader, *strangers, own)
    assert len(kube.reads) == before + LOOKUPS
