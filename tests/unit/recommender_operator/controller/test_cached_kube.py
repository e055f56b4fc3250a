"""The port with caches: reads without requests, own writes at once, stale objects read once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import pytest

from recommender_operator.adapters.kinds import (
    BASELINES,
    CLAIMS,
    HTTP_ROUTES,
    JOBS,
    MODELS,
    REVISIONS,
    SCALED_OBJECTS,
    VERSIONS,
)
from recommender_operator.adapters.model_caches import CHILDREN, CHILDREN_WITH_KEDA, watched
from recommender_operator.controller.cached_kube import ABSENT, CachedKube
from recommender_operator.controller.caches import Caches
from recommender_operator.controller.informer import Informer
from recommender_operator.controller.kube import ConflictError, KubeError, Object, Resource
from recommender_operator.resources import labels
from tests.fakes.kube import FakeKube
from tests.fakes.objects import add_model
from tests.unit.recommender_operator.controller.fake_source import FrozenSource, Unseen

MARKS = labels.of_model("movies")


class World:
    def __init__(self, children: Sequence[Resource] = CHILDREN) -> None:
        self.server = FakeKube()
        self.woken: list[tuple[str, str]] = []
        self.source = FrozenSource(self.server)
        self.caches = Caches(
            self.source,
            watched(children),
            namespaces=(),
            wake=lambda namespace, model: self.woken.append((namespace, model)),
            metrics=Unseen(),
        )
        self.time = 0.0
        self.kube = CachedKube(self.server, self.caches, clock=lambda: self.time)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.caches.start()
        for kind in watched().kinds:
            await self.of(kind).ready()
        self.server.reads.clear()
        self.woken.clear()
        try:
            yield
        finally:
            await self.caches.stop()

    def of(self, resource: Resource) -> Informer:
        found = self.caches.of(resource, "team")
        assert found is not None
        return found


def child(name: str, **values: Any) -> Object:
    metadata = {"name": name, "namespace": "team", "labels": MARKS}
    return {"metadata": metadata, **values}


def status(of: Object, stage: str) -> Object:
    seen = {key: of["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    return {"metadata": seen, "status": {"stage": stage}}


def names(things: Iterable[Object]) -> list[str]:
    return [thing["metadata"]["name"] for thing in things]


async def test_cached_reads_need_no_request() -> None:
    world = World()
    add_model(world.server)
    world.server.put(VERSIONS, child("v1"))
    async with world.running():
        assert await world.kube.get(MODELS, "team", "movies") is not None
        for kind in CHILDREN:
            await world.kube.list(kind, "team", MARKS)
        assert await world.kube.serves(HTTP_ROUTES)
        assert not await world.kube.serves(REVISIONS)
        assert world.server.reads == []
        await world.kube.get(CLAIMS, "team", "artifacts")
        assert world.server.reads == [("get", "persistentvolumeclaims")]


@pytest.mark.parametrize(("children", "found"), [(CHILDREN, False), (CHILDREN_WITH_KEDA, True)])
async def test_scaled_objects_are_watched_only_with_keda(
    children: Sequence[Resource], found: bool
) -> None:
    world = World(children)
    async with world.running():
        assert (world.caches.of(SCALED_OBJECTS, "team") is not None) is found


async def test_a_scaled_object_that_keda_finalizes_is_seen_although_the_operator_deleted_it() -> (
    None
):
    world = World(CHILDREN_WITH_KEDA)
    world.server.kinds.add(SCALED_OBJECTS)
    metadata = {"name": "movies-keda", "namespace": "team", "labels": MARKS}
    stored = world.server.put(SCALED_OBJECTS, {"metadata": metadata})
    world.server.finalized.add(SCALED_OBJECTS)
    async with world.running():
        await world.of(SCALED_OBJECTS).ready()
        uid = stored["metadata"]["uid"]
        await world.kube.delete(SCALED_OBJECTS, "team", "movies-keda", uid=uid)
        (waiting,) = await world.kube.list(SCALED_OBJECTS, "team", MARKS)
        assert waiting["metadata"]["deletionTimestamp"]
        assert await world.kube.list(SCALED_OBJECTS, "team", MARKS) == [waiting]


async def test_a_missing_object_is_read_from_the_server_because_it_may_lack_labels() -> None:
    world = World()
    async with world.running():
        world.server.put(HTTP_ROUTES, {"metadata": {"name": "movies", "namespace": "team"}})
        found = await world.kube.get(HTTP_ROUTES, "team", "movies")
        assert found is not None
        assert await world.kube.get(REVISIONS, "team", "none-of-this-kind") is None
        assert world.server.reads == [("get", "httproutes")]


async def test_a_missing_object_is_not_read_at_each_look() -> None:
    world = World()
    async with world.running():
        for _ in range(3):
            assert await world.kube.get(HTTP_ROUTES, "team", "movies") is None
        assert world.server.reads == [("get", "httproutes")]
        world.server.put(HTTP_ROUTES, {"metadata": {"name": "movies", "namespace": "team"}})
        world.time = ABSENT
        assert await world.kube.get(HTTP_ROUTES, "team", "movies") is not None
        assert await world.kube.get(HTTP_ROUTES, "team", "movies") is not None


async def test_a_creation_that_is_refused_shows_what_was_thought_absent() -> None:
    world = World()
    async with world.running():
        assert await world.kube.get(HTTP_ROUTES, "team", "movies") is None
        world.server.put(HTTP_ROUTES, {"metadata": {"name": "movies", "namespace": "team"}})
        with pytest.raises(ConflictError):
            await world.kube.apply(HTTP_ROUTES, child("movies"), over=None)
        assert await world.kube.get(HTTP_ROUTES, "team", "movies") is not None


async def test_own_writes_are_read_back_at_once_and_are_a_cause_to_look() -> None:
    world = World()
    async with world.running():
        made = await world.kube.create(VERSIONS, child("v1"))
        assert made is not None
        assert names(await world.kube.list(VERSIONS, "team", MARKS)) == ["v1"]
        await world.kube.apply_status(VERSIONS, status(made, "Training"))
        (found,) = await world.kube.list(VERSIONS, "team", MARKS)
        assert found["status"] == {"stage": "Training"}
        uid = made["metadata"]["uid"]
        assert await world.kube.delete(VERSIONS, "team", "v1", uid=uid)
        assert await world.kube.list(VERSIONS, "team", MARKS) == []
        assert world.server.reads == []
        assert world.woken == [("team", "movies")] * 3


async def test_a_window_that_the_operator_starts_triggers_no_look() -> None:
    world = World()
    async with world.running():
        assert await world.kube.create(BASELINES, child("b1")) is not None
        assert names(await world.kube.list(BASELINES, "team", MARKS)) == ["b1"]
        assert world.woken == []


async def test_after_a_conflict_the_same_stale_object_is_not_read_again() -> None:
    world = World()
    world.server.put(VERSIONS, child("v1"))
    async with world.running():
        (stale,) = await world.kube.list(VERSIONS, "team", MARKS)
        world.server.touch(VERSIONS, "v1")
        with pytest.raises(ConflictError):
            await world.kube.apply_status(VERSIONS, status(stale, "Training"))
        (fresh,) = await world.kube.list(VERSIONS, "team", MARKS)
        assert fresh["metadata"]["resourceVersion"] != stale["metadata"]["resourceVersion"]
        await world.kube.list(VERSIONS, "team", MARKS)
        assert world.server.reads == [("list", "modelversions")]
        await world.kube.apply_status(VERSIONS, status(fresh, "Training"))


async def test_a_conflict_over_a_model_reads_the_model() -> None:
    world = World()
    add_model(world.server)
    async with world.running():
        stale = await world.kube.get(MODELS, "team", "movies")
        assert stale is not None
        world.server.touch(MODELS, "movies")
        with pytest.raises(ConflictError):
            await world.kube.apply_status(MODELS, status(stale, "Serving"))
        fresh = await world.kube.get(MODELS, "team", "movies")
        assert fresh is not None
        await world.kube.apply_status(MODELS, status(fresh, "Serving"))


async def test_a_conflict_that_the_watch_has_answered_costs_no_read() -> None:
    world = World()
    world.server.put(VERSIONS, child("v1"))
    async with world.running():
        (stale,) = await world.kube.list(VERSIONS, "team", MARKS)
        now = world.server.touch(VERSIONS, "v1")
        with pytest.raises(ConflictError):
            await world.kube.apply_status(VERSIONS, status(stale, "Training"))
        world.of(VERSIONS).take(now)
        await world.kube.list(VERSIONS, "team", MARKS)
        assert world.server.reads == []


async def test_an_object_deleted_at_a_write_is_missing_in_the_next_look() -> None:
    world = World()
    world.server.put(VERSIONS, child("v1"))
    async with world.running():
        (stale,) = await world.kube.list(VERSIONS, "team", MARKS)
        uid = stale["metadata"]["uid"]
        await world.server.delete(VERSIONS, "team", "v1", uid=uid)
        assert await world.kube.apply_status(VERSIONS, status(stale, "Training")) is None
        assert await world.kube.list(VERSIONS, "team", MARKS) == []


async def test_a_job_that_exists_though_no_watch_has_brought_it_is_read() -> None:
    world = World()
    async with world.running():
        world.server.put(JOBS, child("check"))
        assert await world.kube.create(JOBS, child("check")) is None
        assert names(await world.kube.list(JOBS, "team", MARKS)) == ["check"]


async def test_a_write_whose_answer_was_lost_is_looked_up() -> None:
    world = World()
    async with world.running():
        world.server.fault = lambda verb, *_: KubeError("lost") if verb == "create" else None
        with pytest.raises(KubeError):
            await world.kube.create(JOBS, child("check"))
        world.server.put(JOBS, child("check"))
        assert names(await world.kube.list(JOBS, "team", MARKS)) == ["check"]


async def test_without_caches_every_request_goes_to_the_server() -> None:
    world = World()
    add_model(world.server)
    assert await world.kube.get(MODELS, "team", "movies") is not None
    assert await world.kube.list(VERSIONS, "team", MARKS) == []
    assert world.server.reads == [("get", "recommendermodels"), ("list", "modelversions")]


async def test_a_restart_begins_with_empty_caches() -> None:
    world = World()
    add_model(world.server)
    async with world.running():
        assert await world.kube.get(MODELS, "team", "movies") is not None
    uid = world.server.find(MODELS, "movies")["metadata"]["uid"]
    await world.server.delete(MODELS, "team", "movies", uid=uid)
    async with world.running():
        assert await world.kube.get(MODELS, "team", "movies") is None


async def test_a_start_after_a_watch_has_ended_starts_all_again() -> None:
    world = World()
    add_model(world.server)
    async with world.running():
        world.caches._tasks[0].cancel()
        await asyncio.gather(world.caches._tasks[0], return_exceptions=True)
        assert world.caches.ended()
        await world.caches.start()
        assert not world.caches.ended()
        assert await world.kube.get(MODELS, "team", "movies") is not None


async def test_an_object_without_the_label_is_not_cached_without_a_watch() -> None:
    world = World()
    async with world.running():
        bare = {"metadata": {"name": "bare", "namespace": "team"}}
        assert await world.kube.create(HTTP_ROUTES, bare) is not None
        assert len(world.of(HTTP_ROUTES).store) == 0
        assert await world.kube.create(HTTP_ROUTES, child("marked")) is not None
        assert len(world.of(HTTP_ROUTES).store) == 1


async def test_the_models_that_somebody_waits_for_come_first() -> None:
    world = World()
    rests = {"observedGeneration": 1}
    for name, found in (
        ("a-rests", rests),
        ("b-moves", {**rests, "candidate": "b-moves-v2"}),
        ("c-changed", {"observedGeneration": 0}),
        ("d-rests", rests),
    ):
        world.server.put(
            MODELS,
            {"metadata": {"name": name, "namespace": "team", "generation": 1}, "status": found},
        )
    async with world.running():
        order = [name for _, name in world.caches.parents()]
    assert order == ["c-changed", "b-moves", "a-rests", "d-rests"]
