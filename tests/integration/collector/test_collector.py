"""The collector's processes, killed at any time: nothing lost, nothing counted twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from recommender_contract.ids import hashed
from tests import collector_rig
from tests.collector_crash import kill_under_load
from tests.collector_rig import ADMITTED, Sender, clicks, until


async def test_nothing_acknowledged_is_lost_or_counted_twice(tmp_path: Path) -> None:
    with collector_rig.running(tmp_path) as rig:
        outcome = await kill_under_load(rig, events=4000, kills=6)
    assert outcome.events >= 4000
    assert set(outcome.kills) == {"redis", "serve", "write"}
    assert outcome.failed_attempts > 0, "the kills were not under load"
    assert (outcome.lost, outcome.double, outcome.wrong_moments) == (0, 0, 0)


async def test_a_stopped_collector_answers_what_it_took_and_exits_with_0(tmp_path: Path) -> None:
    with collector_rig.running(tmp_path, fresh=True) as rig:
        sender = Sender(rig.url)
        async with httpx.AsyncClient(timeout=60) as client:
            await sender.send(client, clicks(0, 10))
        assert await asyncio.to_thread(rig.serve.stop) == 0
        assert await asyncio.to_thread(rig.write.stop) == 0


@pytest.mark.parametrize("status", ["unready", "ready"])
async def test_the_collector_is_ready_while_the_store_answers(tmp_path: Path, status: str) -> None:
    def ready() -> bool:
        url = f"http://127.0.0.1:{rig.serve.metrics}/readyz"
        return httpx.get(url, timeout=60).status_code == 200

    with collector_rig.running(tmp_path, with_writer=False) as rig:
        rig.redis.kill()
        await asyncio.to_thread(until, lambda: not ready())
        if status == "ready":
            rig.redis.start()
            await asyncio.to_thread(until, ready)


async def test_an_erased_user_is_nowhere(tmp_path: Path) -> None:
    with collector_rig.running(tmp_path) as rig:
        async with httpx.AsyncClient(timeout=60) as client:
            await Sender(rig.url).send(client, clicks(0, 200, users=2))
            await asyncio.to_thread(until, lambda: len(rig.archived()) == 200)
            erase = f"http://127.0.0.1:{rig.serve.admin}/v1/models/shop/users/u1"
            assert (await client.delete(erase, headers=ADMITTED)).status_code == 202
        await asyncio.to_thread(until, lambda: len(rig.archived()) == 100)
        assert {row["user_id"] for row in rig.interactions()} == {"u0"}
        client_: Redis = Redis.from_url(rig.redis.url)
        left = [name async for name in client_.scan_iter(f"*:user:{hashed('u1')}:*")]
        await client_.aclose()
        assert left == []
