"""Baselines are stored in objects of the model; a failure to store one fails no look."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime

import pytest

from recommender_operator.adapters.kinds import BASELINES
from recommender_operator.adapters.objects import baseline_store as stores
from recommender_operator.adapters.objects.baseline_store import BaselineStore
from recommender_operator.adapters.objects.owned_writes import Claim, ForeignObjectError
from recommender_operator.adapters.objects.preconditions import ObservedObjects
from recommender_operator.controller.kube import ConflictError, KubeError, Object
from recommender_operator.observed import Baseline
from recommender_operator.resources import counter_baselines
from tests.fakes.documents import copied
from tests.fakes.kube import NOW, FakeKube
from tests.fakes.objects import controller
from tests.unit.recommender_operator.resources.builder_inputs import model, version

KEY = f"step/{version().name}"
NAME = counter_baselines.name("movies", KEY)
UIDS = {model().uid, version().uid}


def claim(*found: Object) -> Claim:
    """Return the claim of a look that observed these baselines."""
    seen = ObservedObjects()
    seen.read(BASELINES, [copied(thing) for thing in found])
    return Claim(owners=UIDS, seen=seen)


def baseline(key: str = KEY, value: float = 1.0) -> Baseline:
    counters = {"recommender_sessions_total": value, "recommender_reference_sessions": 7.0}
    return Baseline(key=key, taken_at=NOW, samples={"v": {"p": counters}})


async def kept(store: BaselineStore) -> dict[str, Baseline]:
    found = await store.read("team", "movies")
    return dict((await store.unpacked(model(), found, UIDS)).baselines)


def stored(kube: FakeKube, name: str = NAME) -> Object:
    return kube.find(BASELINES, name)


async def test_baselines_are_kept_replaced_and_dropped_one_by_one() -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    assert await kept(store) == {}
    await store.drop(model(), "nothing", claim())
    await store.save(model(), version(), baseline(), claim())
    await store.save(model(), None, baseline("drift/b"), claim())
    await store.save(model(), version(), baseline(value=2.0), claim(stored(kube)))
    assert await kept(store) == {KEY: baseline(value=2.0), "drift/b": baseline("drift/b")}
    owners = [thing["metadata"]["ownerReferences"][0]["uid"] for thing in kube.objects.values()]
    assert sorted(owners) == sorted(UIDS)
    await store.drop(model(), KEY, claim(stored(kube)))
    assert set(await kept(store)) == {"drift/b"}


async def test_all_baselines_of_a_model_cost_one_request() -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    for i in range(5):
        await store.save(model(), None, baseline(f"drift/{i}"), claim())
    assert len(await kept(store)) == 5
    assert kube.reads == [("list", "counterbaselines")]


async def test_a_baseline_that_is_saved_twice_in_one_look_is_written_over() -> None:
    kube = FakeKube()
    store, look = BaselineStore(kube), claim()
    await store.save(model(), version(), baseline(), look)
    await store.save(model(), version(), baseline(value=2.0), look)
    assert await kept(store) == {KEY: baseline(value=2.0)}


async def test_a_baseline_written_since_the_look_is_not_overwritten() -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    await store.save(model(), version(), baseline(), claim())
    with pytest.raises(ConflictError):
        await store.save(model(), version(), baseline(value=2.0), claim())
    look = claim(stored(kube))
    kube.touch(BASELINES, NAME)["metadata"]["generation"] += 1
    with pytest.raises(ConflictError):
        await store.save(model(), version(), baseline(value=2.0), look)
    assert await kept(store) == {KEY: baseline()}


async def test_a_baseline_recreated_since_the_look_is_not_dropped() -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    await store.save(model(), version(), baseline(), claim())
    look = claim(stored(kube))
    stored(kube)["metadata"]["uid"] = "uid-of-a-later-one"
    await store.drop(model(), KEY, look)
    assert set(await kept(store)) == {KEY}


FOREIGN = [
    [],
    controller("ModelVersion", version().name, "uid-of-an-earlier-one"),
    [{**controller("ModelVersion", version().name, version().uid)[0], "controller": False}],
]


@pytest.mark.parametrize("is_labelled", [True, False])
@pytest.mark.parametrize("owners", FOREIGN, ids=["nobody", "earlier", "no-controller"])
async def test_a_foreign_object_is_reported_and_neither_read_nor_written(
    owners: list[Object], is_labelled: bool
) -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    await store.save(model(), version(), baseline(), claim())
    stored(kube)["metadata"]["ownerReferences"] = owners
    if not is_labelled:
        stored(kube)["metadata"]["labels"] = {}
    assert await kept(store) == {}
    before = copied(stored(kube))
    look = claim(*await store.read("team", "movies"))
    with pytest.raises(ForeignObjectError):
        await store.save(model(), version(), baseline(value=2.0), look)
    found = await store.unpacked(model(), [], UIDS)
    (other,) = found.foreign
    assert (other.kind, other.name) == ("CounterBaseline", NAME)
    assert (
        f"CounterBaseline team/{NAME} does not belong to this model" in found.baselines[KEY].error
    )
    if is_labelled:
        with pytest.raises(ForeignObjectError):
            await store.drop(model(), KEY, look)
    assert stored(kube) == before


@pytest.mark.parametrize("remedy", ["deleted", "given"])
async def test_an_object_that_is_no_longer_in_the_way_is_forgotten_at_once(remedy: str) -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    kube.put(BASELINES, {"metadata": {"name": NAME, "namespace": "team"}})
    for key in (KEY, "drift/b"):
        with contextlib.suppress(ForeignObjectError):
            await store.save(model(), version(), baseline(key), claim())
    if remedy == "deleted":
        del kube.objects[BASELINES, "team", NAME]
    else:
        stored(kube)["metadata"]["ownerReferences"] = controller(
            "RecommenderModel", "movies", model().uid
        )
    found = await store.unpacked(model(), [], UIDS)
    assert (found.foreign, KEY in found.baselines) == ((), False)


async def test_an_invalid_baseline_is_replaced_and_hides_no_other() -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    await store.save(model(), version(), baseline(), claim())
    await store.save(model(), None, baseline("drift/b"), claim())
    stored(kube)["spec"]["counters"] = "garbage"
    assert set(await kept(store)) == {"drift/b"}
    await store.save(model(), version(), baseline(), claim(stored(kube)))
    assert set(await kept(store)) == {KEY, "drift/b"}


async def test_a_copy_under_another_name_does_not_count() -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    await store.save(model(), version(), baseline(), claim())
    copy = stored(kube)
    copy["metadata"]["name"] = "copy"
    kube.put(BASELINES, copy)
    del kube.objects[BASELINES, "team", NAME]
    assert await kept(store) == {}


REFUSALS = [
    KubeError("forbidden", status=403),
    KubeError("no such kind", status=404),
    KubeError("request entity too large", status=413),
    KubeError("etcdserver: request is too large", status=500),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda error: str(error.status))
async def test_a_rejected_baseline_reads_as_an_error_until_it_is_stored(
    refusal: KubeError,
) -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    kube.fault = lambda verb, *_: refusal if verb == "apply" else None
    await store.save(model(), version(), baseline(), claim())
    needed = {"v": {"p": {"recommender_sessions_total": 1.0}}}
    failed = dataclasses.replace(baseline(), samples=needed, error=str(refusal))
    assert await kept(store) == {KEY: failed}
    kube.fault = lambda *_: None
    await store.save(model(), version(), baseline(), claim())
    assert await kept(store) == {KEY: baseline()}


async def test_what_cannot_be_packed_reads_as_an_error_that_can_be_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = BaselineStore(FakeKube())
    monkeypatch.setattr(counter_baselines, "PACKED_LIMIT", 10)
    await store.save(model(), version(), baseline(), claim())
    assert "reduce serving.replicas" in (await kept(store))[KEY].error
    await store.drop(model(), KEY, claim())
    assert await kept(store) == {}


async def test_the_number_of_counters_in_memory_is_limited() -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    kube.fault = lambda verb, *_: REFUSALS[0] if verb == "apply" else None
    many = {f"recommender_requests_total{i}": 1.0 for i in range(50_001)}
    await store.save(
        model(), version(), dataclasses.replace(baseline(), samples={"v": {"p": many}}), claim()
    )
    assert (await kept(store))[KEY].samples == {}


async def test_an_older_error_does_not_hide_a_newer_baseline() -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    kube.fault = lambda verb, *_: REFUSALS[0] if verb == "apply" else None
    await store.save(model(), version(), baseline(), claim())
    kube.fault = lambda *_: None
    later = dataclasses.replace(baseline(), taken_at=NOW + datetime.timedelta(seconds=1))
    await BaselineStore(kube).save(model(), version(), later, claim())
    assert await kept(store) == {KEY: later}


@pytest.mark.parametrize(
    "error",
    [
        KubeError("down", status=0),
        KubeError("busy", status=429),
        KubeError("failed", status=500),
        ConflictError("there", status=409),
        KubeError("ends", status=403, causes=["NamespaceTerminating"]),
    ],
    ids=str,
)
async def test_temporary_errors_repeat_the_look(error: KubeError) -> None:
    kube = FakeKube()
    store = BaselineStore(kube)
    kube.fault = lambda verb, *_: error if verb == "apply" else None
    with pytest.raises(KubeError):
        await store.save(model(), version(), baseline(), claim())
    assert await kept(store) == {}


async def test_the_number_of_unstored_baselines_in_memory_is_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stores, "REMEMBERED_ERRORS", 3)
    kube = FakeKube()
    store = BaselineStore(kube)
    kube.fault = lambda verb, *_: REFUSALS[0] if verb == "apply" else None
    for number in range(10):
        await store.save(model(), None, baseline(f"drift/{number}"), claim())
    assert set(await kept(store)) == {"drift/7", "drift/8", "drift/9"}
