"""A transformer process with a collector, and without Triton: popularity answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from recommender_client import AsyncEventClient, events
from tests import collector_rig
from tests.collector_rig import MAPPING, until
from tests.integration.transformer_rig import VERSION, run_transformer
from tests.unit.recommender_serving.serving_samples import POPULARITY, write_files

INTEGERS: dict[str, Any] = {"mapping": {**MAPPING, "ids": {"user": "Integer", "item": "Integer"}}}
WANTED = POPULARITY["items"][-1]


async def test_answers_follow_what_is_popular_and_are_reported(tmp_path: Path) -> None:
    clicks = [events.click(user, WANTED) for user in range(2000)]
    write_files(tmp_path / "artifact")
    with collector_rig.running(tmp_path, settings=INTEGERS) as rig:
        async with AsyncEventClient(rig.url, deadline=30) as client:
            await client.send(*clicks)
        await asyncio.to_thread(until, lambda: len(rig.archived()) == len(clicks))
        environ = {
            "RECOMMENDER_MODEL": "shop",
            **rig.reader,
            "RECOMMENDER_TRENDING": "true",
            "RECOMMENDER_COLLECTOR_URL": rig.url,
            "RECOMMENDER_IMPRESSIONS": "1",
        }
        flags = ("--model-wait-seconds", "0")
        log = tmp_path / "transformer.log"
        with run_transformer(
            tmp_path / "artifact", "127.0.0.1:9", log, *flags, environ=environ
        ) as transformer:

            def ask() -> dict[str, Any]:
                return transformer.ask(user_id=5000, top_n=3)

            await asyncio.to_thread(until, lambda: ask()["items"][0] == WANTED)
            last = ask()
            # What waits is sent at the end.
            assert transformer.stop() == 0
        await asyncio.to_thread(
            until, lambda: last["request_id"] in {each.get("request") for each in rig.archived()}
        )
        (reported,) = (
            each for each in rig.archived() if each.get("request") == last["request_id"]
        )
    assert (reported["kind"], reported["user"], reported["items"]) == (
        "impression", 5000, last["items"],
    )  # fmt: skip
    assert (reported["version"], reported["path"]) == (VERSION, "popularity")
