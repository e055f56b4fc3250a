"""An experiment of the users of the crash test: its events, and what its moments should be."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import httpx
import orjson

from recommender_collector.domain.declaration import parse_declaration
from recommender_collector.domain.validation import Rules, event_of
from tests.collector_rig import ADMITTED, MAPPING, Rig
from tests.experiment_oracle import answer, expected, present

ID = "0a1b2c3d"
MODEL = parse_declaration(orjson.dumps({"models": {"shop": {"mapping": MAPPING}}})).models["shop"]


async def phases(rig: Rig, client: httpx.AsyncClient, name: str = ID) -> list[dict[str, Any]]:
    """What the collector answers when the writer has applied all that is acknowledged."""
    url = f"http://127.0.0.1:{rig.serve.admin}/v1/experiments/shop/{name}"
    asked = time.time()
    async with asyncio.timeout(120):
        while True:
            found = (await client.get(url, headers=ADMITTED)).raise_for_status().json()
            if found["watermark"] > asked:
                told: list[dict[str, Any]] = found["phases"]
                return told
            await asyncio.sleep(0.02)


class Drawn:
    """Events of users in an experiment, late and early ones among them."""

    def __init__(self, seed: int = 5) -> None:
        self._choice = random.Random(seed)
        self.sent: list[dict[str, Any]] = []

    def opening(self) -> list[dict[str, Any]]:
        """The first impression: what is read before it does not count."""
        return self._taken([self._impression("first", time.time(), 0)])

    def batch(self, user: str) -> list[dict[str, Any]]:
        """Some events of a user, in any order."""
        choice, now = self._choice, time.time()
        events = []
        for phase in range(choice.choice((1, 1, 2))):
            at = now - choice.randrange(7200)
            events += [
                self._impression(user, at + 60 * n, phase) for n in range(choice.randrange(1, 4))
            ]
            events += [
                {
                    "kind": "purchase", "user": user, "item": f"{user}-{phase}-{n}",
                    "value": choice.randrange(1, 2000) / 100,
                    "time": min(at + choice.randrange(-9, 99), now),
                }
                for n in range(choice.randrange(3))
            ]  # fmt: skip
        choice.shuffle(events)
        return self._taken(events)

    def _impression(self, user: str, at: float, phase: int) -> dict[str, Any]:
        arm = f"shop-{len(user) + ord(user[-1]) & 1:08x}"
        version = arm if self._choice.random() < 0.9 else "shop-00000000"
        return {
            "kind": "impression", "user": user, "items": ["a", "b"], "time": min(at, time.time()),
            "version": version, "path": self._choice.choice(("model", "baseline")),
            "experiment": ID, "phase": phase, "arm": arm, "cap": 25,
        }  # fmt: skip

    def _taken(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for event in events:
            event["id"] = f"x{len(self.sent)}"
            self.sent.append(event)
        return events

    async def wrong(self, rig: Rig, others: list[dict[str, Any]]) -> int:
        """How many arms of phases have other moments than all events together."""
        rules, now = Rules(MODEL), time.time()
        log = [event_of(each, rules, now) for each in (*self.sent, *others)]
        wanted = present(answer(expected(log, ID, MODEL.attribution_seconds * 1000, MODEL.values)))
        async with httpx.AsyncClient(timeout=60) as client:
            found = present(await phases(rig, client))
        return sum(each not in _arms(found) for each in _arms(wanted)) + abs(
            len(_arms(found)) - len(_arms(wanted))
        )


def _arms(found: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [(phase["phase"], phase["since"], arm) for phase in found for arm in phase["arms"]]
