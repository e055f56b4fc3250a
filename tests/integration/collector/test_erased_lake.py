"""From the request to erase a user to a lake that no longer knows the user."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import httpx
import pytest

from recommender_contract.ids import hashed
from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.data import version_content
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests import collector_rig
from tests.collector_rig import ADMITTED, MAPPING, Sender, clicks, until
from tests.erased_lake import traces

USER = "u-7f3a9c1e55d0"


async def test_an_erasure_reaches_the_lake_with_the_next_check(tmp_path: Path) -> None:
    lake = tmp_path / "lake"

    def check() -> ingest.CheckResult:
        mapping = parse_mapping(json.dumps(MAPPING), Format.JSON_LINES)
        return ingest.ingest_and_check(
            rig.files / "shop", lake, kind=Format.JSON_LINES, mapping=mapping
        )

    with collector_rig.running(tmp_path) as rig:
        async with httpx.AsyncClient(timeout=60) as client:
            sent = [*clicks(0, 40, users=4), *clicks(40, 40, users=4)]
            mine = [{**each, "user": USER} for each in clicks(80, 20)]
            await Sender(rig.url).send(client, [*sent, *mine])
            await asyncio.to_thread(until, lambda: len(rig.archived()) == 100)
            before = await asyncio.to_thread(check)
            assert before.rows == 100
            assert traces(lake, USER)
            erase = f"http://127.0.0.1:{rig.serve.admin}/v1/models/shop/users/{USER}"
            assert (await client.delete(erase, headers=ADMITTED)).status_code == 202
            await asyncio.to_thread(until, lambda: len(rig.archived()) == 80)
            after = await asyncio.to_thread(check)
            assert after.rows == 80
            assert traces(lake, USER) == []
            assert traces(rig.files, USER) == []
            with pytest.raises(InputError) as refused:
                version_content.read_version(lake, before.data_version)
            assert refused.value.reason == "DataVersionErased"
            second = int(time.time())
            await asyncio.to_thread(until, lambda: int(time.time()) > second)
            again = {**clicks(100, 1)[0], "user": USER}  # who comes back
            await Sender(rig.url).send(client, [again])
            await asyncio.to_thread(until, lambda: len(rig.archived()) == 81)
        await asyncio.to_thread(check)
        rows = version_content.read_version(lake, (await asyncio.to_thread(check)).data_version)
        mine_now = rows.interactions.filter(rows.interactions["user_id"] == hashed(USER))
        assert mine_now.height == 1
