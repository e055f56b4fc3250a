"""An informer ends with the objects of the API server, whatever happens to its watch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from recommender_operator.controller.informer import Informer, Observer, Rhythm
from recommender_operator.controller.kube import KubeError, Object
from recommender_operator.controller.store import Store
from recommender_operator.controller.unparsed import Unparsed
from recommender_operator.controller.watching import Page, Scope
from recommender_operator.resources.labels import MODEL
from tests.unit.recommender_operator.controller.fake_source import SCOPE, FakeSource, thing


class World:
    """An informer over a fake source, with a clock and pauses that a test moves."""

    def __init__(self, rhythm: Rhythm | None = None) -> None:
        self.source = FakeSource()
        self.time = 0.0
        self.pauses: list[float] = []
        self.changed: list[str] = []
        self.served: list[bool] = []
        self.lists: list[str] = []
        self.informer = Informer(
            self.source,
            SCOPE,
            Store(MODEL),
            observer=Observer(
                changed=lambda _, model: self.changed.append(model),
                served=self.served.append,
                listed=self.lists.append,
            ),
            rhythm=rhythm or Rhythm(patience=5.0),
            clock=lambda: self.time,
            sleep=self._sleep,
            chance=lambda: 0.5,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    def names(self) -> set[str]:
        return {found["metadata"]["name"] for found in self.informer.store.select(None, {})}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.informer.run())
        try:
            await self.informer.ready()
            await self.until(lambda: bool(self.source.watches))
            self.time += 10
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_paginated_list_comes_first_and_the_watch_continues_from_it() -> None:
    world = World()
    world.source.page_size = 2
    for name in "abcde":
        world.source.put(name)
    async with world.running():
        assert world.names() == set("abcde")
        assert world.source.watches == [str(world.source.version)]
        world.source.say("ADDED", world.source.put("f"))
        await world.until(lambda: "f" in world.names())
        world.source.say("DELETED", world.source.drop("a"))
        await world.until(lambda: "a" not in world.names())


async def test_a_broken_stream_resumes_from_the_last_bookmark_without_a_list() -> None:
    world = World()
    async with world.running():
        world.source.version = 70
        world.source.bookmark()
        world.source.end(KubeError("connection lost"))
        await world.until(lambda: len(world.source.watches) == 2)
        assert world.source.watches[1] == "70"
        assert (world.source.lists, world.pauses) == (1, [0.5])


async def test_a_watch_that_the_server_ends_resumes_without_a_pause() -> None:
    world = World()
    async with world.running():
        world.source.end()
        await world.until(lambda: len(world.source.watches) == 2)
        assert (world.source.lists, world.pauses) == (1, [])


async def test_an_expired_version_triggers_a_new_list_that_finds_missed_changes() -> None:
    world = World()
    world.source.put("a")
    async with world.running():
        world.source.drop("a")
        world.source.put("b", model="books")
        world.changed.clear()
        world.source.end(KubeError("expired", status=410))
        await world.until(lambda: world.names() == {"b"})
        assert sorted(world.changed) == ["books", "movies"]
        assert world.lists == ["start", "expired"]


async def test_a_server_that_always_expires_versions_is_listed_with_increasing_pauses() -> None:
    world = World()
    async with world.running():
        for _ in range(4):
            seen = len(world.source.watches)
            world.source.end(KubeError("expired", status=410))
            await world.until(lambda seen=seen: len(world.source.watches) > seen)  # type: ignore[misc]
        assert world.pauses == [1.0, 2.0, 4.0]


async def test_the_resync_finds_a_deletion_that_the_watch_has_missed() -> None:
    world = World()
    world.source.put("a")
    world.source.put("b")
    async with world.running():
        world.source.drop("a")
        world.time += 700
        world.source.end()
        await world.until(lambda: world.names() == {"b"})
        assert world.lists == ["start", "resync"]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the objects that are parsed."""
    names: list[str] = []
    parse = Unparsed.parsed

    def counted(text: Unparsed) -> Object:
        names.append(text.place[1])
        return parse(text)

    monkeypatch.setattr(Unparsed, "parsed", counted)
    return names


async def test_the_resync_parses_only_what_has_changed(parsed: list[str]) -> None:
    world = World()
    for name in "abc":
        world.source.put(name)
    async with world.running():
        assert sorted(parsed) == ["a", "b", "c"]
        parsed.clear()
        world.source.put("b", model="books")
        world.time += 700
        world.source.end()
        await world.until(lambda: world.lists == ["start", "resync"])
        assert parsed == ["b"]
        assert world.names() == set("abc")


async def test_an_event_that_repeats_an_own_write_is_not_parsed(parsed: list[str]) -> None:
    world = World()
    async with world.running():
        written = world.source.put("a")
        world.informer.take(written)
        world.source.say("ADDED", written)
        world.source.say("ADDED", world.source.put("b"))
        await world.until(lambda: "b" in world.names())
        assert parsed == ["b"]


async def test_a_restored_server_may_have_another_object_of_a_version_that_is_stored() -> None:
    world = World()
    written = world.source.put("a")
    world.source.put("b")
    async with world.running():
        version = int(written["metadata"]["resourceVersion"])
        world.source.version = version
        world.source.objects = {"a": thing("a", version, model="books")}
        world.source.end(KubeError("expired", status=410))
        await world.until(lambda: world.names() == {"a"})
        assert world.informer.store.parents() == {("team", "books")}


async def test_a_server_restored_from_a_backup_replaces_the_cache() -> None:
    world = World()
    for name in "abc":
        world.source.put(name)
    async with world.running():
        world.source.version = 1
        world.source.objects = {"a": thing("a", 1, uid="restored")}
        world.source.end(KubeError("expired", status=410))
        await world.until(lambda: world.names() == {"a"})
        found = world.informer.store.get(("team", "a"))
        assert found is not None
        assert found["metadata"]["uid"] == "restored"


async def test_a_silent_stream_is_dropped_for_a_new_list() -> None:
    world = World(Rhythm(watch=0.0, silence=-0.99, patience=5.0))
    async with world.running():
        await world.until(lambda: "silent" in world.lists)


async def test_events_that_come_late_or_twice_change_nothing() -> None:
    world = World()
    async with world.running():
        old, new = thing("a", 50), thing("a", 60)
        world.informer.take(new)
        world.changed.clear()
        world.source.say("ADDED", old)
        world.source.say("MODIFIED", new)
        world.source.say("ADDED", thing("b", 61))
        await world.until(lambda: "b" in world.names())
        assert world.changed == ["movies"]
        found = world.informer.store.get(("team", "a"))
        assert found is not None
        assert found["metadata"]["resourceVersion"] == "60"


async def test_an_unknown_kind_is_checked_until_it_appears() -> None:
    world = World()
    world.source.errors = [KubeError("no such kind", status=404)] * 2
    world.source.put("a")
    async with world.running():
        await world.until(lambda: world.informer.served and world.names() == {"a"})
        assert world.served == [False, True]
        assert world.pauses == [30.0, 30.0]


async def test_a_kind_that_goes_takes_its_objects_with_it() -> None:
    world = World()
    world.source.put("a")
    async with world.running():
        world.source.errors = [KubeError("no such kind", status=404)] * 50
        world.source.end(KubeError("no such kind", status=404))
        await world.until(lambda: not world.informer.served)
        assert world.names() == set()


async def test_errors_of_the_server_are_repeated_with_growing_pauses() -> None:
    world = World()
    world.source.errors = [KubeError("down", status=503)] * 10
    async with world.running():
        assert world.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]


async def test_a_reader_gets_the_cause_of_a_missing_cache() -> None:
    world = World(Rhythm(patience=0.01))
    world.source.errors = [KubeError("pods is forbidden", status=403)] * 10_000
    task = asyncio.create_task(world.informer.run())
    with pytest.raises(KubeError, match=r"pods is forbidden.*list and watch"):
        await world.informer.ready()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_stale_cache_is_not_used() -> None:
    world = World()
    async with world.running():
        world.time += 200
        with pytest.raises(KubeError, match=r"210 s old"):
            await world.informer.ready()
        world.source.bookmark()
        await world.until(lambda: world.informer.age == 0)
        await world.informer.ready()


async def test_a_backup_older_than_the_last_event_replaces_the_cache_too() -> None:
    world = World()
    world.source.put("a")
    async with world.running():
        world.source.say("ADDED", thing("b", 60))
        await world.until(lambda: "b" in world.names())
        world.source.version = 30
        world.source.end(KubeError("expired", status=410))
        await world.until(lambda: world.names() == {"a"})


async def test_all_pages_of_a_list_are_of_the_moment_of_the_first() -> None:
    class Moving(FakeSource):
        async def page(self, scope: Scope, more: str) -> Page:
            page = await super().page(scope, more)
            self.version += 10
            return page

    world = World()
    world.source = Moving()
    world.informer._source = world.source
    world.source.page_size = 1
    for name in "abc":
        world.source.put(name)
    first = str(world.source.version)
    async with world.running():
        assert world.source.watches == [first]


async def test_the_end_of_a_watch_by_the_server_keeps_the_cache_fresh() -> None:
    world = World()
    async with world.running():
        world.time += 100
        world.source.end()
        await world.until(lambda: len(world.source.watches) == 2)
        assert world.informer.age == 0


async def test_watches_that_end_at_once_are_not_repeated_at_once() -> None:
    world = World()
    async with world.running():
        for count in (2, 3, 4):
            world.source.end()
            await world.until(lambda count=count: len(world.source.watches) == count)  # type: ignore[misc]
        assert world.pauses == [0.5, 0.5]


async def test_that_a_kind_is_unknown_is_an_answer_and_never_gets_old() -> None:
    world = World()
    world.source.errors = [KubeError("no such kind", status=404)] * 1000
    task = asyncio.create_task(world.informer.run())
    await world.until(lambda: sum(world.pauses) > 400)
    assert world.informer.age <= 30
    await world.informer.ready()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
