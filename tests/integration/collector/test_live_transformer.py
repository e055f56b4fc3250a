"""A transformer process with a collector, and without Triton: popularity answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from recommender_client import AsyncEventClient, events
from tests import collector_rig
from tests.collector_rig import MAPPING, Rig, until
from tests.integration.transformer_rig import VERSION, run_transformer
from tests.unit.recommender_serving.serving_samples import POPULARITY, write_files

INTEGERS: dict[str, Any] = {"mapping": {**MAPPING, "ids": {"user": "Integer", "item": "Integer"}}}
WANTED = POPULARITY["items"][-1]
PROVEN = {("impression", 5000): True, ("click", 5000): True, ("click", 5001): False}


def keys_of(folder: Path) -> dict[str, str]:
    """The variable of the keys that transformers and collector share."""
    folder.mkdir()
    (folder / "key").write_text("the-key-of-the-served-models")
    (folder / "signing").write_text("the-signing-key-of-the-release")
    return {"RECOMMENDER_COLLECTOR_KEYS": str(folder)}


async def feedback(rig: Rig, signed: str) -> dict[tuple[str, int], dict[str, Any]]:
    """Click as the user of an answer and as another one; return all events about the answer."""
    async with AsyncEventClient(rig.url, deadline=30) as client:
        for user in (5000, 5001):
            await client.send(events.click(user, WANTED, request=signed))
    request = signed.rpartition("~")[0]

    def told() -> dict[tuple[str, int], dict[str, Any]]:
        return {
            (each["kind"], each["user"]): each
            for each in rig.archived()
            if each.get("request", "").startswith(request)
        }

    await asyncio.to_thread(until, lambda: len(told()) == 3)
    return told()


async def test_answers_follow_what_is_popular_and_are_reported(tmp_path: Path) -> None:
    clicks = [events.click(user, WANTED) for user in range(2000)]
    write_files(tmp_path / "artifact")
    known = keys_of(tmp_path / "keys")
    with collector_rig.running(tmp_path, settings=INTEGERS, environ=known) as rig:
        async with AsyncEventClient(rig.url, deadline=30) as client:
            await client.send(*clicks)
        await asyncio.to_thread(until, lambda: len(rig.archived()) == len(clicks))
        environ = {
            "RECOMMENDER_MODEL": "shop",
            **rig.reader,
            "RECOMMENDER_TRENDING": "true",
            "RECOMMENDER_COLLECTOR_URL": rig.url,
            "RECOMMENDER_IMPRESSIONS": "1",
            **known,
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
        told = await feedback(rig, last["request_id"])
    assert {key: each["proven"] for key, each in told.items()} == PROVEN
    reported = told["impression", 5000]
    assert reported["source"] == "serving"
    assert reported["request"] == last["request_id"].partition("~")[0]
    assert (reported["kind"], reported["user"], reported["items"]) == (
        "impression", 5000, last["items"],
    )  # fmt: skip
    assert (reported["version"], reported["path"]) == (VERSION, "popularity")
