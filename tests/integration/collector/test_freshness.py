"""What a user does now is in the session of the next request."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from recommender_contract.ids import hashed
from recommender_contract.online_store import Hide, Set, key
from recommender_serving.domain.types import Lookup, RecommendRequest
from recommender_serving.ranking.user_history import History
from recommender_serving.store.user_reader import StoreError, User, UserReader
from tests import collector_rig
from tests.collector_rig import Sender, clicks
from tests.redis_server import RedisServer


def _request(user: str) -> RecommendRequest:
    return RecommendRequest(user_id=hashed(user), timestamp=int(time.time()), top_n=10)


async def test_an_event_is_in_the_session_of_the_next_request(tmp_path: Path) -> None:
    with collector_rig.running(tmp_path) as rig:
        users = UserReader(rig.redis.url, "shop")
        history = History(users, lambda _: None, 20, budget=5)
        async with httpx.AsyncClient(timeout=60) as client:
            for number in range(3):
                event = {**clicks(number, 1, users=1)[0], "time": time.time()}
                await Sender(rig.url).send(client, [event])
                async with asyncio.timeout(60):
                    while True:
                        session = (await history.complete(_request("u0"))).session
                        if len(session) == number + 1:
                            break
                assert [each.item for each in session] == [
                    hashed(f"i{n}") for n in range(number + 1)
                ]
                assert {each.value for each in session} == {3.0}
        await users.close()


async def test_an_unknown_user_did_nothing(server: RedisServer) -> None:
    users = UserReader(server.url, "shop")
    assert await users.read(5) == User()
    await users.close()


async def test_a_store_that_is_gone_is_an_error_and_comes_back(server: RedisServer) -> None:
    users = UserReader(server.url, "shop")
    await users.read(5)
    server.kill()
    with pytest.raises(StoreError):
        await users.read(5)
    server.start()
    await users.read(5)
    await users.close()


async def test_foreign_data_under_the_keys_are_an_error(redis: Redis, server: RedisServer) -> None:
    users = UserReader(server.url, "shop")
    await redis.zadd(key("shop", 5, Set.RECENT), {"junk": 1})
    with pytest.raises(StoreError, match="ValueError"):
        await users.read(5)
    await redis.set(key("shop", 6, Set.RECENT), "junk")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await users.read(6)
    await users.close()


async def test_reads_that_are_cut_short_do_not_mix_up_the_answers(
    redis: Redis, server: RedisServer
) -> None:
    for user in range(50):
        await redis.zadd(key("shop", user, Set.RECENT), {f"{user} 1 n": 1})
    users = UserReader(server.url, "shop", hide=tuple(Hide))
    outcomes: list[Lookup] = []
    hurried = History(users, outcomes.append, 20, budget=0.0003)
    requests = [RecommendRequest(user_id=user, timestamp=1, top_n=1) for user in range(50)]
    for _ in range(10):
        await asyncio.gather(*map(hurried.complete, requests))
    assert Lookup.TIMEOUT in outcomes
    for user in range(50):
        assert [event.item for event in (await users.read(user)).recent] == [user]
    await users.close()
