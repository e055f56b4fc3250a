"""From an answer of the transformer to the files, through the real collector and its writer."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from recommender_client import AsyncClient, AsyncEventClient, Query
from recommender_contract.events import BATCH_CONTENT_TYPE
from recommender_contract.ids import hashed
from recommender_contract.online_store import Set, key
from recommender_runtime.connections import Connections
from recommender_serving.artifact.loader import load
from recommender_serving.domain.types import Ranking
from recommender_serving.impressions.collector_client import post
from recommender_serving.impressions.impression_events import Origin
from recommender_serving.impressions.reporter import Bounds, Impressions
from recommender_serving.ranking.exploration import Chance, Explorer
from tests import collector_rig
from tests.collector_rig import Rig, until
from tests.unit.recommender_serving.serving_fakes import Parts, giving
from tests.unit.recommender_serving.serving_samples import TEXTS, write_text_files
from tests.unit.recommender_serving.serving_served import Served
from tests.unit.recommender_serving.serving_sockets import running

BEST = Ranking(tuple(map(hashed, TEXTS)), tuple(1 - i / 10 for i in range(len(TEXTS))))


@contextlib.asynccontextmanager
async def transformer(
    folder: Path,
    url: str,
    bounds: Bounds,
    chance: Chance | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[tuple[AsyncClient, Parts]]:
    """A transformer on a socket that reports to the collector at the URL, and its client."""
    folder.mkdir()
    write_text_files(folder)
    pool = 0 if chance is None else 4
    parts = Parts(folder, giving(BEST), giving(BEST), artifact=load(folder), pool=pool)
    explorer = None if chance is None else Explorer(0.5, chance, parts.metrics.explored)
    impressions = Impressions(
        partial(post, url, BATCH_CONTENT_TYPE),
        Origin("shop", "movies-1", "movies-1/0f"),
        1.0,
        parts.artifact.vocabulary.features,
        parts.metrics.reported,
        bounds,
    )
    served = await Served.opened(folder, parts, impressions, clock, explorer=explorer)
    reports = asyncio.create_task(impressions.run())
    async with (
        running(served, Connections()) as site,
        AsyncClient(f"http://127.0.0.1:{site.port}", deadline=20) as client,
    ):
        yield client, parts
    impressions.close()
    await reports


def row(rig: Rig, kind: str) -> dict[str, Any]:
    (found,) = (each for each in rig.archived() if each["kind"] == kind)
    return found


async def test_an_answer_and_the_click_on_it_meet_in_the_files(tmp_path: Path) -> None:
    with collector_rig.running(tmp_path) as rig:
        async with transformer(tmp_path / "artifact", rig.url, Bounds(gather_seconds=0.05)) as (
            client,
            _,
        ):
            answer = await client.recommend(Query(user_id="ada", top_n=3))
        async with AsyncEventClient(rig.url) as collector:
            await collector.send(answer.click(answer.items[1]))
        await asyncio.to_thread(until, lambda: len(rig.archived()) == 2)
        impression, click = row(rig, "impression"), row(rig, "click")
    assert impression["items"] == list(answer.items)
    for name in ("user", "request", "version", "path"):
        assert impression[name] == click[name]
    assert (click["version"], click["path"]) == ("movies-1", "model")


async def test_what_was_drawn_and_from_which_items_is_in_the_files(tmp_path: Path) -> None:
    bounds = Bounds(gather_seconds=0.05)
    with collector_rig.running(tmp_path) as rig:
        url = rig.url
        async with transformer(tmp_path / "a", url, bounds, random.Random(5)) as (client, parts):
            answers = {
                answer.request_id: answer
                for answer in [await client.recommend(Query(f"u{n}", top_n=3)) for n in range(30)]
            }
            explored = parts.value("transformer_explored_total")
        await asyncio.to_thread(until, lambda: len(rig.archived()) == 30)
        rows = rig.archived()
    for each in rows:
        assert each["items"] == list(answers[each["request"]].items)
        assert each["items"][:2] == TEXTS[:2]
        assert "explored" in each or each["items"][2] == TEXTS[2]
    drawn = [each for each in rows if "explored" in each]
    assert all(each["explored"] == {"place": 2, "pool": TEXTS[2:6]} for each in drawn)
    assert len({each["items"][2] for each in drawn} & set(TEXTS[2:6])) > 1
    assert len(drawn) == explored
    assert 0 < len(drawn) < 30


@pytest.mark.parametrize("lost", ["collector", "store"])
async def test_answers_do_not_wait_for_a_lost_collector(tmp_path: Path, lost: str) -> None:
    bounds = Bounds(gather_seconds=0.05, waits=(0.1,) * 100)
    with collector_rig.running(tmp_path) as rig:
        (rig.serve if lost == "collector" else rig.redis).kill()
        async with transformer(tmp_path / "artifact", rig.url, bounds) as (client, parts):
            for _ in range(50):
                await client.recommend(Query(user_id="ada", top_n=3), deadline=5)
            if lost == "collector":
                await asyncio.to_thread(rig.serve.start, rig.redis.url)
            else:
                rig.redis.start()

            def durable() -> bool:
                found = parts.value("transformer_impressions_total", outcome="durable")
                return found == 50

            await asyncio.to_thread(until, durable)
        await asyncio.to_thread(until, lambda: len(rig.archived()) == 50)
        assert len({each["request"] for each in rig.archived()}) == 50


async def test_what_was_shown_is_known_to_the_next_request(tmp_path: Path) -> None:
    with collector_rig.running(tmp_path) as rig:
        async with transformer(tmp_path / "artifact", rig.url, Bounds(gather_seconds=0.05)) as (
            client,
            _,
        ):
            answer = await client.recommend(Query(user_id="ada", top_n=3))
        redis: Redis = Redis.from_url(rig.redis.url)
        seen: list[bytes] = []
        async with asyncio.timeout(60):
            while len(seen) < 3:
                seen = await redis.zrange(key("shop", hashed("ada"), Set.SEEN), 0, -1)
        await redis.aclose()
    assert {int(item) for item in seen} == {hashed(str(item)) for item in answer.items}


MINUTE, DAY = 60, 86_400


def seconds(event: dict[str, Any]) -> float:
    """The time of an event in the files, which is in whole milliseconds."""
    return datetime.fromisoformat(event["time"]).timestamp()


@pytest.mark.parametrize(
    ("off", "became", "shown"),
    [
        pytest.param(-60 * MINUTE, "durable", -60 * MINUTE, id="an-hour-behind"),
        pytest.param(-2 * DAY, "rejected", None, id="behind-by-more-than-maxAgeSeconds"),
        pytest.param(4 * MINUTE, "durable", 0, id="ahead-within-maxAheadSeconds"),
        pytest.param(60 * MINUTE, "rejected", None, id="an-hour-ahead"),
    ],
)
async def test_a_transformer_with_another_clock_harms_no_answer_and_no_click(
    tmp_path: Path, off: float, became: str, shown: float | None
) -> None:
    bounds, total = Bounds(gather_seconds=0.05), "transformer_impressions_total"
    began = time.time()
    with collector_rig.running(tmp_path) as rig:
        async with transformer(
            tmp_path / "a", rig.url, bounds, clock=lambda: time.time() + off
        ) as (client, parts):
            answer = await client.recommend(Query(user_id="ada", top_n=3))
            async with AsyncEventClient(rig.url) as collector:
                assert (await collector.send(answer.click(answer.items[1]))).accepted == 1
            await asyncio.to_thread(until, lambda: parts.value(total, outcome=became) == 1)
        count = 1 if shown is None else 2
        await asyncio.to_thread(until, lambda: len(rig.archived()) == count)
        ended, click = time.time(), row(rig, "click")
        assert began - 1 <= seconds(click) <= ended
        assert click["request"] == answer.request_id
        if shown is not None:
            seen = row(rig, "impression")
            assert began + shown - 1 <= seconds(seen) <= ended + shown
            assert seen["request"] == answer.request_id
