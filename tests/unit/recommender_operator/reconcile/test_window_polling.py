"""While a window fills, a look reads two counters; any change requires a whole look."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from recommender_contract.metrics import SESSIONS
from recommender_operator.adapters.counters.sample_provider import SampleError
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.analysis import window_filling
from recommender_operator.analysis.window_filling import Filling
from recommender_operator.observed import Sample
from recommender_operator.reconcile.window_polling import WindowPolling

PODS = (PodRef(name="p", ip="10.0.0.1", ready=True),)
WINDOW = Filling(
    version="v", start={"p": {SESSIONS: 100.0}}, counted=50, needed=500, seconds=10, rest=300
)


@dataclasses.dataclass
class World:
    sessions: float = 150.0
    time: float = 1000.0
    fails: bool = False
    readings: int = 0

    def __post_init__(self) -> None:
        self.requested: list[tuple[str, str, tuple[str, ...]]] = []
        self.polling: WindowPolling[str] = WindowPolling(clock=lambda: self.time, read=self._count)
        self.meanwhile: Any = lambda: None

    def _count(self) -> None:
        self.readings += 1

    async def sample(
        self, namespace: str, version: str, pods: Sequence[PodRef], *, only: tuple[str, ...] = ()
    ) -> Sample:
        assert tuple(pods) == PODS
        self.requested.append((namespace, version, only))
        self.meanwhile()
        if self.fails:
            raise SampleError("none")
        return {"p": {SESSIONS: self.sessions}}

    def look(self, window: Filling = WINDOW, *, cause: bool = False) -> None:
        self.polling.start_pass("m")
        if cause:
            self.polling.cause("m")
        self.polling.watch("m", "team", window, self, PODS)


async def test_a_window_that_fills_is_read_by_its_counters_alone() -> None:
    world = World()
    world.look()
    world.time += 10
    # 50 sessions in 20 s: the other 450 take 180 s.
    assert await world.polling.pause("m") == window_filling.LONGEST
    assert world.requested == [("team", "v", window_filling.NAMES)]
    world.sessions = 500
    world.time += 20
    # 400 in 40 s: the last hundred take 10 s.
    assert await world.polling.pause("m") == window_filling.SHORTEST
    assert world.readings == 2


async def test_a_full_window_requires_a_whole_look() -> None:
    world = World(sessions=600)
    world.look()
    assert await world.polling.pause("m") is None
    assert world.readings == 0


async def test_a_model_without_a_look_requires_a_whole_look() -> None:
    world = World()
    assert await world.polling.pause("m") is None
    assert world.requested == []


@pytest.mark.parametrize("when", ["before", "in the look", "in the reading"])
async def test_any_event_of_a_model_requires_a_whole_look(when: str) -> None:
    world = World()
    world.look(cause=when == "in the look")
    if when == "before":
        world.polling.cause("m")
    if when == "in the reading":
        world.meanwhile = lambda: world.polling.cause("m")
    assert await world.polling.pause("m") is None
    assert await world.polling.pause("m") is None


async def test_a_whole_look_comes_when_it_is_due() -> None:
    world = World()
    world.look(dataclasses.replace(WINDOW, rest=12))
    assert await world.polling.pause("m") == 12
    world.time += 12
    assert await world.polling.pause("m") is None


async def test_pods_that_do_not_answer_require_a_whole_look() -> None:
    world = World(fails=True)
    world.look()
    assert await world.polling.pause("m") is None


async def test_a_new_life_starts_with_whole_looks() -> None:
    world = World()
    world.look()
    world.polling.clear()
    assert await world.polling.pause("m") is None
