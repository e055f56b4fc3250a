"""Experiments: from events to the moments that the operator reads, in a real Redis."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.pseudonyms import Pseudonyms
from recommender_collector.experiments.experiment import KEEP_SECONDS
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_contract.events import Kind
from recommender_contract.ids import hashed
from tests import collector_rig, redis_server
from tests.collector_experiment import phases
from tests.collector_rig import ADMITTED, until
from tests.experiment_desk import MODEL, Desk, now
from tests.experiment_events import EXPERIMENTS, MINUTE, act, impression, log
from tests.experiment_oracle import answer, expected, present

ROOT = Path(__file__).resolve().parents[3]
FIRST = EXPERIMENTS[0]


@pytest.fixture
def desk(redis: Redis) -> Desk:
    return Desk(redis)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server.running(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


def wanted(
    entries: Sequence[Event | Erasure], name: str = FIRST, detailed: int | None = None
) -> list[dict[str, Any]]:
    window = MODEL.attribution_seconds * 1000
    return present(answer(expected(entries, name, window, MODEL.values), detailed))


@given(seed=st.integers(0, 2**32), count=st.integers(0, 80))
def test_the_moments_are_those_of_the_definition(store: str, seed: int, count: int) -> None:
    """Records come in any order, to two writers, one of which is always late."""
    choice = random.Random(seed)
    records = log(seed, count, now() // MINUTE * MINUTE - 800 * MINUTE)
    first, *rest = [[entry for _, entry in record] for record in records]
    choice.shuffle(rest)

    async def compare(client: Redis) -> None:
        await client.flushall()
        desk = Desk(client)
        await desk.put(*first)
        await desk.writer.step()
        for record in rest:
            await desk.put(*record)
            if choice.random() < 0.5:
                # Both have read the same; the second one is too late.
                offset, experiments = await ExperimentStore(client).start("shop")
                (late, *_) = await desk.log.read("shop", offset, 1, 0.01)
                await desk.writer.step(0.01)
                assert await desk.other._one(late, offset, experiments) is None
        await desk.writer.step(0.01)
        entries = [entry for record in [first, *rest] for entry in record]
        for name in EXPERIMENTS:
            assert await desk.answer(name, seed % 3) == wanted(entries, name, seed % 3)

    async def run() -> None:
        async with Redis.from_url(store) as client:
            await compare(client)

    asyncio.run(run())


async def test_an_erased_user_leaves_nothing_in_the_store(desk: Desk) -> None:
    at = now()
    await desk.put(impression("eve", at - 9), act(Kind.PURCHASE, "eve", at - 8))
    await desk.writer.step()
    before = await desk.answer()
    await desk.put(
        impression("ada", at - 7), act(Kind.PURCHASE, "ada", at - 6, value=0.1),
        act(Kind.CLICK, "bob", at - 6),
    )  # fmt: skip
    await desk.writer.step()
    assert await desk.answer() != before
    assert any(name.endswith(f"early:{hashed('bob')}") for name in await desk.keys())
    await desk.put(Erasure("ada"), Erasure("bob"))
    await desk.writer.step()
    assert await desk.answer() == before
    users = {f async for f, _ in desk.redis.hscan_iter(f"{{shop}}:experiment:{FIRST}:users")}
    assert users == {str(hashed("eve")).encode()}
    assert not any("early" in name for name in await desk.keys())


async def test_all_keys_share_the_tag_of_the_model_and_expire(desk: Desk) -> None:
    at = now()
    await desk.put(impression("ada", at), act(Kind.CLICK, "ada", at), act(Kind.CLICK, "bob", at))
    await desk.writer.step()
    keys = await desk.keys()
    assert len(keys) == 4
    for name in keys:
        assert name.startswith("{shop}:")
        assert 0 < await desk.redis.ttl(name) <= KEEP_SECONDS
    (early,) = (name for name in keys if "early" in name)
    assert await desk.redis.ttl(early) <= MODEL.max_age_seconds + 600


async def test_the_watermark_waits_for_the_oldest_record_that_is_not_applied(desk: Desk) -> None:
    assert abs(await desk.watermark() - time.time()) < 60, "nothing waits"
    await desk.put(impression("ada", now()))
    (record,) = await desk.log.read("shop", "0-0", 1, 0.01)
    waits = int(record.offset.split("-")[0]) / 1000
    await asyncio.sleep(0.05)
    assert await desk.watermark() == waits
    await desk.writer.step()
    assert await desk.watermark() > waits
    await desk.log.trim("shop", record.offset)
    assert await desk.watermark() > waits


async def test_exposures_are_counted_in_the_metrics(desk: Desk) -> None:
    at = now()
    await desk.put(*(impression(f"u{n}", at, arm=f"shop-{n}") for n in range(7)))
    await desk.writer.step()
    value = desk.registry.get_sample_value
    assert value("recommender_writer_exposures_total", {"model": "shop"}) == 6
    labels = {"model": "shop", "reason": "arms"}
    assert value("recommender_writer_ignored_exposures_total", labels) == 1


def events_of_the_page(at: float) -> list[dict[str, Any]]:
    """The events of the example in docs/contracts/collector.md; one of them is sent twice."""
    part = {"experiment": FIRST, "phase": 1, "arm": "shop-0a1b2c3d", "cap": 1000}
    shown = {"kind": "impression", "items": ["tea", "cup"], "version": part["arm"], **part}
    ada = [
        {**shown, "path": "model", "time": at},
        {**shown, "path": "popularity", "version": "shop-99999999", "time": at + 2000},
        {"kind": "click", "item": "tea", "time": at + 3},
        {"kind": "click", "item": "cup", "time": at + 4},
        {"kind": "dwell", "item": "cup", "value": 12.5, "time": at + 5},
        {"kind": "purchase", "item": "cup", "value": 4.5, "time": at + 35},
    ]
    events = [{"user": "ada", **each} for each in ada]
    events.append({"user": "eve", **shown, "path": "model", "time": at + 60})
    named = [{"id": f"e{n}", **each} for n, each in enumerate(events)]
    return [*named, named[2]]


async def test_the_collector_answers_what_the_page_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "contracts" / "collector.md").read_text(encoding="utf-8")
    section = page[page.index("## Moments over users") :]
    (text,) = re.findall(r"```json\n(.*?)```", section.split("\n## ", 1)[0], flags=re.DOTALL)
    example = json.loads(text)
    at = time.time() - 3600
    with collector_rig.running(tmp_path) as rig:
        async with httpx.AsyncClient(timeout=60) as client:
            sent = await client.post(f"{rig.url}/v1/events", json=events_of_the_page(at))
            assert (sent.status_code, sent.json()["repeated"]) == (200, 1)
            found = await phases(rig, client)
            unknown = await client.get(
                f"http://127.0.0.1:{rig.serve.admin}/v1/experiments/shop/ffffffff",
                headers=ADMITTED,
            )
    assert unknown.json()["phases"] == []
    example["phases"][0]["since"] = int(at * 1000) / 1000
    assert present(found) == present(example["phases"])
    (arm,) = found[0]["arms"]
    assert (len(arm["sums"]), len(arm["products"])) == (11, 66)


async def test_hashed_users_are_in_the_moments_under_their_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("0123456789abcdef")
    monkeypatch.setenv("RECOMMENDER_USER_KEY_FILE", str(tmp_path / "key"))
    name = Pseudonyms(b"0123456789abcdef")("ada")
    at = time.time() - 10
    ada, click = events_of_the_page(at)[0], events_of_the_page(at)[2]
    with collector_rig.running(tmp_path, settings={"hashUsers": True}) as rig:
        async with httpx.AsyncClient(timeout=60) as client:
            # The serving path reports the hash, the shop the id.
            batch = [{**ada, "user": name, "hashed": True}, click]
            assert (await client.post(f"{rig.url}/v1/events", json=batch)).status_code == 200
            ((arm,),) = (phase["arms"] for phase in await phases(rig, client))
            assert (arm["users"], arm["sums"]["clicks"]) == (1, 1)
            erase = f"http://127.0.0.1:{rig.serve.admin}/v1/models/shop/users/ada"
            assert (await client.delete(erase, headers=ADMITTED)).status_code == 202
            ((arm,),) = (phase["arms"] for phase in await phases(rig, client))
            assert (arm["users"], arm["sums"]["clicks"]) == (0, 0)


async def test_a_store_that_is_gone_is_said_so(tmp_path: Path) -> None:
    with collector_rig.running(tmp_path, with_writer=False) as rig:
        rig.redis.kill()
        url = f"http://127.0.0.1:{rig.serve.admin}/v1/experiments/shop/{FIRST}"

        def status() -> int:
            return httpx.get(url, headers=ADMITTED, timeout=60).status_code

        await asyncio.to_thread(until, lambda: status() == 503)
        rig.redis.start()
        await asyncio.to_thread(until, lambda: status() == 200)
