"""The trace of a model changes with every cached object of it, and with no other."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from recommender_operator.adapters.kinds import MODELS, VERSIONS
from recommender_operator.adapters.model_caches import watched
from recommender_operator.controller.caches import Caches, Trace
from recommender_operator.controller.kube import Object, Resource
from recommender_operator.resources import labels
from tests.fakes.kube import FakeKube
from tests.fakes.objects import add_model
from tests.unit.recommender_operator.controller.fake_source import FrozenSource, Unseen

KINDS = watched().kinds


class World:
    def __init__(self) -> None:
        self.server = FakeKube()
        add_model(self.server)
        self.caches = Caches(
            FrozenSource(self.server),
            watched(),
            namespaces=(),
            wake=lambda *_: None,
            metrics=Unseen(),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.caches.start()
        for kind in KINDS:
            await self.of(kind).ready()
        try:
            yield
        finally:
            await self.caches.stop()

    def of(self, resource: Resource) -> Any:
        found = self.caches.of(resource, "team")
        assert found is not None
        return found

    @property
    def trace(self) -> Trace | None:
        return self.caches.trace("team", "movies")

    def put(self, resource: Resource, name: str = "v1", model: str = "movies") -> Object:
        metadata = {"name": name, "namespace": "team", "labels": labels.of_model(model)}
        stored = self.server.put(resource, {"metadata": metadata})
        self.of(resource).store.put(stored)
        return stored


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != MODELS], ids=str)
async def test_an_object_that_appears_changes_or_goes_changes_the_trace(kind: Resource) -> None:
    world = World()
    async with world.running():
        traces = [world.trace]
        stored = world.put(kind)
        traces.append(world.trace)
        world.of(kind).store.put(world.server.touch(kind, "v1"))
        traces.append(world.trace)
        world.of(kind).hide(("team", "v1"), stored["metadata"]["uid"])
        traces.append(world.trace)
        assert None not in traces
        assert len(set(traces[:3])) == 3
        assert traces[3] == traces[0]


async def test_a_status_that_no_look_is_woken_for_changes_the_trace() -> None:
    world = World()
    async with world.running():
        before = world.trace
        changed = world.server.touch(MODELS, "movies")
        # Not `meaning`: the operator itself writes the status at the end of a look.
        assert not world.of(MODELS).store.put(changed | {"status": {"stage": "Serving"}})
        assert world.trace != before


async def test_objects_of_other_models_do_not_change_the_trace() -> None:
    world = World()
    async with world.running():
        before = world.trace
        world.put(VERSIONS, "books-1", "books")
        assert world.trace == before


async def test_there_is_no_trace_while_a_cache_is_empty_or_stale() -> None:
    world = World()
    assert world.trace is None
    async with world.running():
        assert world.trace is not None
        informer = world.of(VERSIONS)
        informer._contact -= informer._rhythm.stale + 1
        assert world.trace is None
