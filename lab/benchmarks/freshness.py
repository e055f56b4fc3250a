"""How soon an event changes the next answer: Redis, collector, writer, transformer, Triton.

A user asks for items, clicks, buys or dislikes the first one, and asks again at once until it is
gone. The delay is from the receipt of the collector's acknowledgement to the receipt of the first
answer without the item; a single request of the same client is measured for comparison. Meanwhile
other users send events at a steady rate, and every tenth event is sent twice.

    python -m lab.benchmarks.freshness

At the end every acknowledged event is looked up in the files that training reads and in the
store. The last line is one JSON object: `freshness_p99_ms`, `events`, `lost`, `double` and more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from redis.asyncio import Redis

from recommender_contract.online_store import Set, key
from tests import collector_rig
from tests.benchmarks.machine import machine
from tests.cluster.triton import run_triton
from tests.collector_rig import MAPPING, Rig, Sender
from tests.integration.toy_models import CATALOGUE
from tests.integration.transformer_rig import run_transformer, write_artifact

KINDS = ("click", "purchase", "dislike")
SETS = {"click": Set.RECENT, "purchase": Set.BOUGHT, "dislike": Set.DISLIKED}
FIRST_USER, FIRST_OTHER = 10_000, 10_000_000  # the toy models misbehave for some below 1,000
GONE_SECONDS = 10.0  # an event without effect for so long is late, and ends the benchmark
INTEGER_IDS: dict[str, Any] = {
    "mapping": {**MAPPING, "ids": {"user": "Integer", "item": "Integer"}},
    "interactions": {"click": 3, "purchase": 5},
}


@dataclass
class Sent:
    """Every event that was acknowledged."""

    events: list[dict[str, Any]] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)  # milliseconds, of the watched events
    requests: list[float] = field(default_factory=list)  # milliseconds of single requests
    asked: list[int] = field(default_factory=list)  # requests until the item was gone


def event(number: int, user: int, item: int) -> dict[str, Any]:
    """An event of now; the kinds take turns."""
    kind = KINDS[number % len(KINDS)]
    own: dict[str, Any] = {"id": f"e{user}-{number}", "kind": kind, "user": user, "item": item}
    return own | {"time": time.time()} | ({"value": 4.5} if kind == "purchase" else {})


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


async def watch(
    client: httpx.AsyncClient, transformer: str, sender: Sender, count: int, sent: Sent
) -> None:
    """Send `count` events, one user each, and measure their delays one after another."""

    async def ask(user: int) -> list[int]:
        body = {"instances": [{"user_id": user, "top_n": 5}]}
        answer = await client.post(f"{transformer}/v1/models/recommender:predict", json=body)
        found: list[int] = answer.raise_for_status().json()["predictions"][0]["items"]
        return found

    for number in range(count):
        user = FIRST_USER + number
        start = time.perf_counter()
        item = (await ask(user))[0]
        sent.requests.append((time.perf_counter() - start) * 1000)
        made = event(number, user, item)
        await sender.send(client, [made])
        acknowledged, asked = time.perf_counter(), 1
        while item in await ask(user):
            assert time.perf_counter() < acknowledged + GONE_SECONDS, f"no effect of {made}"
            asked += 1
        sent.delays.append((time.perf_counter() - acknowledged) * 1000)
        sent.asked.append(asked)
        sent.events.append(made)
        if number % 10 == 0:
            await sender.send(client, [made])


async def others(
    client: httpx.AsyncClient, sender: Sender, rate: int, sent: Sent, stop: asyncio.Event
) -> None:
    """Send `rate` events a second of other users, in ten batches, until stopped."""
    number, loop = 0, asyncio.get_running_loop()
    due = loop.time()
    while rate and not stop.is_set():
        batch = [
            event(n, FIRST_OTHER + n, n % CATALOGUE)
            for n in range(number, number + max(1, rate // 10))
        ]
        number += len(batch)
        await sender.send(client, batch)
        sent.events += batch
        due += 0.1
        await asyncio.sleep(max(0.0, due - loop.time()))


async def counts(rig: Rig, sent: Sent) -> tuple[int, int]:
    """Return how many events are lost, and how often others count more than once.

    Of each event, in the archive and the store; the writers have finished.
    """
    archived = Counter(row["id"] for row in rig.archived())
    lost = sum(1 for each in sent.events if not archived[each["id"]])
    double = sum(archived[each["id"]] - 1 for each in sent.events if archived[each["id"]])
    redis: Redis = Redis.from_url(rig.redis.url)
    pipeline = redis.pipeline(transaction=False)
    for each in sent.events:
        pipeline.zcard(key("shop", each["user"], SETS[each["kind"]]))
    members = await pipeline.execute()
    await redis.aclose()
    return lost + members.count(0), double + sum(max(0, n - 1) for n in members)


async def measure(rig: Rig, transformer: str, events: int, rate: int) -> tuple[Sent, Sender]:
    """Send and measure, until the writers have finished."""
    sent, sender, stop = Sent(), Sender(rig.url), asyncio.Event()
    async with httpx.AsyncClient(timeout=10) as client:
        for warm in range(100):  # both processes answer their first requests slowly
            body = {"instances": [{"user_id": warm}]}
            await client.post(f"{transformer}/v1/models/recommender:predict", json=body)
        background = asyncio.create_task(others(client, sender, rate, sent, stop))
        await watch(client, transformer, sender, events, sent)
        stop.set()
        await background
        deadline = time.monotonic() + 60
        while len(rig.archived()) < len(sent.events) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
    return sent, sender


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=2000, help="whose delay is measured")
    parser.add_argument("--rate", type=int, default=100, help="events a second of other users")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_artifact(folder / "artifact")
        (folder / "collector").mkdir()
        with (
            run_triton(folder / "artifact" / "repository") as triton,
            collector_rig.running(folder / "collector", settings=INTEGER_IDS, fresh=True) as rig,
            run_transformer(
                folder / "artifact",
                triton.grpc_url,
                folder / "transformer.log",
                environ={"RECOMMENDER_MODEL": "shop", **rig.reader},
            ) as transformer,
        ):
            sent, sender = asyncio.run(measure(rig, transformer.http, args.events, args.rate))
            lookups = {
                outcome: transformer.metric("recommender_history_lookups_total", outcome=outcome)
                for outcome in ("found", "nothing", "timeout", "error")
            }
            lost, double = asyncio.run(counts(rig, sent))
    quartiles = statistics.quantiles(sent.delays, n=4)
    print(
        json.dumps(
            {
                "benchmark": "freshness",
                "freshness_p50_ms": round(quartiles[1], 1),
                "freshness_quartiles_ms": [round(quartiles[0], 1), round(quartiles[2], 1)],
                "freshness_p99_ms": round(quantile(sent.delays, 0.99), 1),
                "freshness_max_ms": round(max(sent.delays), 1),
                "first_answer_share": round(sent.asked.count(1) / len(sent.asked), 3),
                "request_p50_ms": round(statistics.median(sent.requests), 1),
                "request_p99_ms": round(quantile(sent.requests, 0.99), 1),
                "measured": len(sent.delays),
                "events": len(sent.events),
                "lost": lost,
                "double": double,
                "repeated": sender.repeated,
                "lookups": lookups,
                "machine": machine(),
                "load": round(os.getloadavg()[0], 1),
            }
        )
    )


if __name__ == "__main__":
    main()
