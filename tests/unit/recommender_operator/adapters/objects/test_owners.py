"""The owners of pods, by controllers up to a known uid, and the number of reads."""

from __future__ import annotations

import pytest

from recommender_operator.adapters.kubernetes.port import (
    CONFIGURATIONS,
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    JOB_SETS,
    JOBS,
    KNATIVE_SERVICES,
    REPLICA_SETS,
    REVISIONS,
    Object,
    Resource,
)
from recommender_operator.adapters.objects.owners import LOOKUPS, OwnerReader
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
STANDARD = ("ReplicaSet", "Deployment", "InferenceService", "ModelVersion")
KNATIVE = (
    "ReplicaSet", "Deployment", "Revision", "Configuration", "Service", "InferenceService",
    "RecommenderModel",
)  # fmt: skip
GROUP = ("Job", "JobSet", "TrainJob")


def add(kube: FakeKube, kind: str, name: str, owners: list[Object]) -> Object:
    resource: Resource = KINDS[kind]
    metadata = {"name": name, "namespace": "team", "uid": f"uid-{kind}", "ownerReferences": owners}
    return kube.put(resource, {"metadata": metadata})


def chain(kube: FakeKube, *kinds: str) -> Object:
    """Store the objects between a pod and its last owner, and return the pod."""
    owners = controller(kinds[-1], "last", "uid-last")
    for kind in reversed(kinds[:-1]):
        add(kube, kind, f"a-{kind.lower()}", owners)
        owners = controller(kind, f"a-{kind.lower()}", f"uid-{kind}")
    return pod("p", "v", owners=owners)


async def owners(reader: OwnerReader, *pods: Object) -> dict[str, str]:
    return await reader.owners("team", pods, {"uid-last"})


@pytest.mark.parametrize("kinds", [STANDARD, KNATIVE, GROUP, ("Job",)], ids=lambda k: k[-1])
async def test_a_pod_is_followed_to_its_owner_and_costs_nothing_at_the_next_look(
    kinds: tuple[str, ...],
) -> None:
    kube = FakeKube()
    reader = OwnerReader(kube)
    thing = chain(kube, *kinds)
    for _ in range(3):
        assert await owners(reader, thing) == {"uid-p": "uid-last"}
    assert len(kube.reads) == len(kinds) - 1
    assert await reader.owners("team", [thing], {"uid-of-another"}) == {}


@pytest.mark.parametrize("place", range(3))
async def test_a_name_with_another_uid_is_not_an_owner(place: int) -> None:
    kube = FakeKube()
    thing = chain(kube, *STANDARD)
    kind = STANDARD[place]
    kube.find(KINDS[kind], f"a-{kind.lower()}")["metadata"]["uid"] = "uid-of-another"
    assert await owners(OwnerReader(kube), thing) == {}


@pytest.mark.parametrize("place", range(3))
async def test_an_owner_that_is_not_a_controller_does_not_count(place: int) -> None:
    kube = FakeKube()
    thing = chain(kube, *STANDARD)
    kind = STANDARD[place]
    found = kube.find(KINDS[kind], f"a-{kind.lower()}")
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
    own = chain(kube, *STANDARD)
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
