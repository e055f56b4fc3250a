"""The clients of the package with a real collector, its store and its writer."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from recommender_client import (
    AsyncEventClient,
    EventClient,
    Receipt,
    Recommendation,
    Undelivered,
    UserEvent,
    events,
)
from tests import collector_rig
from tests.collector_rig import Rig, until

ANSWER = Recommendation(("tea", "cup"), (0.9, 0.8), "probability", "model", "v", "r-7", "ada")


async def send(rig: Rig, kind: str, *sent: UserEvent, deadline: float = 30.0) -> Receipt:
    if kind == "async":
        async with AsyncEventClient(rig.url, deadline=deadline) as client:
            return await client.send(*sent)
    with EventClient(rig.url, deadline=deadline) as blocking:
        return await asyncio.to_thread(blocking.send, *sent)


@pytest.mark.parametrize("kind", ["blocking", "async"])
async def test_the_files_have_what_a_client_sends_once(tmp_path: Path, kind: str) -> None:
    good = [
        ANSWER.impression(),
        ANSWER.click("tea"),
        ANSWER.basket("tea"),
        ANSWER.purchase("tea", 4.5),
        ANSWER.dwell("cup", 12),
        ANSWER.dislike("cup"),
        ANSWER.visit("cup"),
        events.visit("ada"),
        events.search("ada", "tea"),
    ]
    old = ANSWER.click("tea", time=time.time() - 90_000)
    with collector_rig.running(tmp_path) as rig:
        found = await send(rig, kind, *good, old)
        assert (found.accepted, found.repeated) == (len(good), 0)
        assert [(each.event, each.field) for each in found.rejected] == [(old, "time")]
        assert await send(rig, kind, *good) == Receipt(repeated=len(good))
        await asyncio.to_thread(until, lambda: len(rig.archived()) == len(good))
        archived = {row["id"]: row for row in rig.archived()}
    for event in good:
        row = archived[event.id]
        assert (row["kind"], row["user"]) == (event.kind.value, "ada")
        assert row.get("request") == event.request
    assert sum("request" in row for row in archived.values()) == 7


async def test_more_events_than_a_request_takes_arrive(tmp_path: Path) -> None:
    many = [events.impression(f"u{n}", [f"item-{k}" for k in range(50)]) for n in range(2_100)]
    with collector_rig.running(tmp_path, with_writer=False) as rig:
        assert await send(rig, "async", *many) == Receipt(accepted=len(many))


async def test_events_that_a_dead_store_did_not_take_are_sent_again(tmp_path: Path) -> None:
    with collector_rig.running(tmp_path) as rig:
        rig.redis.kill()
        with pytest.raises(Undelivered) as raised:
            await send(rig, "async", ANSWER.click("tea"), deadline=1)
        rig.redis.start()
        found = await send(rig, "async", *raised.value.events)
        assert found.accepted + found.repeated == 1
        await asyncio.to_thread(until, lambda: len(rig.archived()) == 1)
