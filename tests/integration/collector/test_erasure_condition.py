"""From the request to erase a user to the condition ErasuresComplete, which names nobody."""

from __future__ import annotations

import asyncio
import datetime
import json
from pathlib import Path
from typing import Any

import aiohttp
import httpx

from recommender_contract.resource.mapping import Format
from recommender_operator.adapters.counters.collector_client import CollectorReader
from recommender_operator.observed import CollectorReading
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests import collector_rig
from tests.collector_rig import ADMITTED, MAPPING, Rig, Sender, clicks, until
from tests.unit.recommender_operator.started_worlds import promoted_first

USER = "u-7f3a9c1e55d0"


async def _read(rig: Rig) -> CollectorReading:
    url, token = f"http://127.0.0.1:{rig.serve.admin}", rig.folder / "admin-token"
    async with aiohttp.ClientSession() as session:
        return await CollectorReader(session, url, "team", token_file=token).erasures(
            "team", "shop"
        )


async def _until(rig: Rig, **wanted: Any) -> CollectorReading:
    """Return the first answer of which each of these is, or is not, there."""
    async with asyncio.timeout(collector_rig.SECONDS):
        while True:
            found = await _read(rig)
            if all((found.body.get(name) is not None) is has for name, has in wanted.items()):
                return found
            await asyncio.sleep(0.1)


def _condition(reading: CollectorReading) -> tuple[tuple[str, str], str]:
    world = promoted_first()
    world.erasures = reading
    world.reconcile()
    return world.condition("ErasuresComplete"), world.message("ErasuresComplete")


async def test_the_condition_follows_an_erasure(tmp_path: Path) -> None:
    def check() -> None:
        mapping = parse_mapping(json.dumps(MAPPING), Format.JSON_LINES)
        source = rig.files / "shop"
        ingest.ingest_and_check(source, tmp_path / "lake", kind=Format.JSON_LINES, mapping=mapping)

    with collector_rig.running(tmp_path) as rig:
        async with httpx.AsyncClient(timeout=60) as client:
            mine = [{**each, "user": USER} for each in clicks(80, 20)]
            await Sender(rig.url).send(client, [*clicks(0, 40, users=4), *mine])
            await asyncio.to_thread(until, lambda: len(rig.archived()) == 60)
            assert _condition(await _until(rig, reported=True))[0] == ("True", "Erased")
            await asyncio.to_thread(check)
            erase = f"http://127.0.0.1:{rig.serve.admin}/v1/models/shop/users/{USER}"
            assert (await client.delete(erase, headers=ADMITTED)).status_code == 202
            (status, reason), message = _condition(await _until(rig, lake=True, files=False))
            assert (status, reason) == ("False", "Open")
            assert "a lake that reads them since 20" in message
            assert USER not in message
            await asyncio.to_thread(check)
            rig.write.stop()
            await asyncio.to_thread(rig.write.start, rig.redis.url)  # it looks when it starts
            last = await _until(rig, lake=False, aof=True)
    _, message = _condition(last)
    assert "the append-only file of the store since 20" in message
    assert "the artifacts of" in message
    listed = last.body["listed"]
    assert isinstance(listed, float)
    age = datetime.datetime.now(datetime.UTC).timestamp() - listed
    assert 0 <= age < 3600
