"""Traffic is welcome when requests can be answered, and no end is near."""

from __future__ import annotations

import asyncio

import pytest

from recommender_serving.monitoring import readiness as module
from recommender_serving.monitoring.readiness import Readiness


class Models:
    def __init__(self, *states: bool) -> None:
        self.states = list(states)

    async def ready(self) -> bool:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


async def no_warm_up() -> None:
    return None


async def test_unready_until_opened_even_when_triton_is_ready() -> None:
    readiness = Readiness(Models(True).ready)
    assert not await readiness.ready()
    await readiness.open(no_warm_up)
    assert await readiness.ready()


async def test_opening_waits_for_triton_and_then_for_the_warm_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0)
    models = Models(False, False, True)
    readiness = Readiness(models.ready)
    states: list[bool] = []

    async def warm() -> None:
        states.append(await readiness.ready())

    await readiness.open(warm)
    assert models.states == [True]
    assert states == [False]
    assert await readiness.ready()


async def test_a_triton_that_dies_makes_the_model_unready_but_requests_are_still_answered() -> (
    None
):
    models = Models(True)
    readiness = Readiness(models.ready)
    await readiness.open(no_warm_up)
    for state in (True, False, True):
        models.states = [state]
        assert await readiness.model_ready() is state
        assert await readiness.ready()


async def test_without_triton_it_is_ready_after_the_wait_and_warms_up_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0)
    warm = asyncio.Event()

    async def warm_up() -> None:
        warm.set()

    models = Models(False)
    readiness = Readiness(models.ready, wait=0.01)
    opening = asyncio.create_task(readiness.open(warm_up))
    while not await readiness.ready():
        await asyncio.sleep(0)
    assert not await readiness.model_ready()
    assert not warm.is_set()
    models.states = [True]
    await opening
    assert warm.is_set()
    assert await readiness.model_ready()


async def test_draining_is_unready_whatever_triton_says() -> None:
    readiness = Readiness(Models(True).ready)
    await readiness.open(no_warm_up)
    readiness.drain()
    assert not await readiness.ready()
