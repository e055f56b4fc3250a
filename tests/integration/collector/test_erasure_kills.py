"""The real writer, killed again and again while it erases a user from a history of folders."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests import collector_rig
from tests.collector_rig import ADMITTED, Rig, Sender, clicks, until
from tests.erased_lake import traces

USER = "u-7f3a9c1e55d0"
FOLDERS = 12


def _search(rig: Rig) -> tuple[int, dict[str, Any]]:
    """The proof, as the page on events gives it."""
    command = [
        sys.executable, "-m", "recommender_collector", "find-user",
        "--declaration", str(rig.folder / "collector.json"), "--files", str(rig.files),
        "shop", USER,
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads(done.stdout)


async def test_a_writer_that_is_killed_while_it_erases_ends_it_and_loses_nothing(
    tmp_path: Path,
) -> None:
    with collector_rig.running(tmp_path, flush=0.05) as rig:
        async with httpx.AsyncClient(timeout=60) as client:
            sender = Sender(rig.url)
            for number in range(FOLDERS):
                mine = [{**each, "user": USER} for each in clicks(100_000 + 20 * number, 20)]
                await sender.send(client, [*clicks(50 * number, 50), *mine])
                count = 70 * (number + 1)
                await asyncio.to_thread(until, lambda: len(rig.archived()) == count)  # noqa: B023
            assert _search(rig)[0] == 1
            rig.write.kill()
            erase = f"http://127.0.0.1:{rig.serve.admin}/v1/models/shop/users/{USER}"
            assert (await client.delete(erase, headers=ADMITTED)).status_code == 202
            journal = rig.files / "shop" / "_erasing"
            for _ in range(4):
                await asyncio.to_thread(rig.write.start, rig.redis.url)
                await asyncio.to_thread(until, journal.exists)
                rig.write.kill()  # somewhere in the erasure, or after it
            await asyncio.to_thread(rig.write.start, rig.redis.url)
            await sender.send(client, [{**clicks(200_000, 1)[0], "user": "eve"}])  # and goes on
            await asyncio.to_thread(until, lambda: _search(rig)[1]["gone"])
            own = 50 * FOLDERS + 1
            await asyncio.to_thread(until, lambda: len(rig.archived()) == own)
        ids = [each["id"] for each in rig.archived()]
        assert len(ids) == len({*ids}) == own
        code, found = _search(rig)
        assert (code, found["rows"], found["erasing"]) == (0, {}, False)
        assert traces(rig.files, USER) == []
