"""How claims are read, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.kinds import CLAIMS
from recommender_operator.adapters.objects import volume_claims
from recommender_operator.adapters.objects.volume_claims import FRESH, FRESH_PROBLEM, ClaimReader
from recommender_operator.observed import Claim
from tests.fakes.kube import FakeKube


def put(kube: FakeKube, *, phase: str = "Bound", **metadata: Any) -> dict[str, Any]:
    return kube.put(
        CLAIMS,
        {
            "metadata": {"name": "store", "namespace": "team", **metadata},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"},
            "status": {"phase": phase},
        },
    )


async def read(kube: FakeKube, name: str = "store") -> Claim | None:
    return (await ClaimReader(kube).read("team", [name]))[name]


async def test_a_claim_is_read_with_what_decides_whether_it_can_be_used() -> None:
    kube = FakeKube()
    put(kube)
    assert await read(kube) == Claim(phase="Bound", access_modes=("ReadWriteOnce",))
    raw = put(
        kube,
        phase="Lost",
        deletionTimestamp="2026-01-01T00:00:00Z",
        labels={"recommender.dev/storage": "true"},
    )
    raw["spec"] = {"accessModes": ["ReadOnlyMany"], "volumeMode": "Block"}
    assert await read(kube) == Claim(
        phase="Lost",
        deleting=True,
        access_modes=("ReadOnlyMany",),
        block=True,
        labelled=True,
    )


@pytest.mark.parametrize("value", ["false", "True", "yes", ""])
async def test_only_the_label_value_true_allows_the_group_change(value: str) -> None:
    kube = FakeKube()
    put(kube, labels={"recommender.dev/storage": value})
    claim = await read(kube)
    assert claim is not None
    assert not claim.labelled


async def test_a_claim_that_does_not_exist_is_none() -> None:
    assert await read(FakeKube()) is None


@pytest.mark.parametrize("name", ["../secrets/x", "a/b", "a?x=1", "", "a%2fb"])
async def test_an_invalid_name_is_never_requested(name: str) -> None:
    kube = FakeKube()
    assert await read(kube, name) is None
    assert kube.reads == []


@pytest.mark.parametrize(
    "trouble", [{"phase": "Pending"}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}]
)
async def test_an_unusable_claim_is_read_again_sooner(trouble: dict[str, str]) -> None:
    kube, time = FakeKube(), 0.0
    put(kube, **trouble)
    reader = ClaimReader(kube, clock=lambda: time)
    await reader.read("team", ["store"])
    time = FRESH_PROBLEM
    await reader.read("team", ["store"])
    assert len(kube.reads) == 2


async def test_a_good_claim_is_read_once_a_minute_and_a_bad_one_sooner() -> None:
    kube, time = FakeKube(), 0.0
    reader = ClaimReader(kube, clock=lambda: time)

    async def reads() -> int:
        await reader.read("team", ["store", "store"])
        return len(kube.reads)

    assert await reads() == 1
    time = FRESH_PROBLEM - 1
    assert await reads() == 1
    put(kube)
    time = FRESH_PROBLEM
    assert await reads() == 2
    time += FRESH - 1
    assert await reads() == 2
    time += 1
    assert await reads() == 3


async def test_the_number_of_cached_claims_is_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(volume_claims, "REMEMBERED", 3)
    reader = ClaimReader(FakeKube())
    for number in range(10):
        await reader.read("team", [f"store-{number}"])
    assert len(reader._known) == 3
