"""What an experiment costs: CPU time of the writer for an event, and memory of a user.

`python -m lab.benchmarks.experiment_writer` prints one JSON object. Each round applies the same
events twice, with impressions that are in an experiment and with impressions that are not: half
impressions of 10 items, the others clicks and some purchases, in records of 1,000.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from recommender_collector.collector_metrics import WriterMetrics
from recommender_collector.domain.declaration import parse_declaration
from recommender_collector.domain.events import Event, Exposure
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.log.redis_log import RedisLog
from recommender_collector.store.experiment_store import ExperimentStore
from recommender_collector.store.user_store import OnlineStore
from recommender_collector.writers.experiment_writer import Experiments
from recommender_collector.writers.online_writer import OnlineWriter
from recommender_contract.events import Kind
from tests import redis_server
from tests.benchmarks.machine import machine
from tests.collector_rig import MAPPING

ID, DAY = "0a1b2c3d", 86_400
MODEL = parse_declaration(orjson.dumps({"models": {"shop": {"mapping": MAPPING}}})).models["shop"]
HOUR = 3_600_000  # milliseconds
#: Answers and clicks of a user in 20 hours.
USERS = ((1, 0), (5, 2), (20, 20))


def _impression(user: str, at: int, items: int, *, inside: bool = True) -> Event:
    arm = f"shop-{int(user[1:]) % 2:08x}"
    part = Exposure(ID, 1, arm, 1000.0) if inside else None
    names = tuple(f"i{n}" for n in range(items))
    return Event("e", Kind.IMPRESSION, user, names, at, version=arm, path="model", exposure=part)


def _mixed(count: int, users: int, *, inside: bool) -> list[Event]:
    choice, now = random.Random(3), int(time.time() * 1000)
    found = []
    for _ in range(count):
        user, at = f"u{choice.randrange(users)}", now - choice.randrange(HOUR)
        item = (f"i{choice.randrange(5000)}",)
        kind = choice.choices((Kind.IMPRESSION, Kind.CLICK, Kind.PURCHASE), (50, 45, 5))[0]
        if kind is Kind.IMPRESSION:
            found.append(_impression(user, at, 10, inside=inside))
        else:
            value = 9.99 if kind is Kind.PURCHASE else None
            found.append(Event("e", kind, user, item, at, value))
    return found


async def _applied(redis: Redis, events: Sequence[Event]) -> float:
    """Append the events and let the writer apply them; return its seconds of CPU."""
    await redis.flushall()
    log = RedisLog(redis, {"shop": DAY})
    for start in range(0, len(events), 1000):
        own = enumerate(events[start : start + 1000], start)
        await log.append(
            "shop", Lines.of(Line(digest(str(n)), line_of(event)) for n, event in own)
        )
    metrics = WriterMetrics(CollectorRegistry(), ["shop"])
    experiments = Experiments(ExperimentStore(redis), "shop", MODEL)
    store = OnlineStore(redis, DAY)
    writer = OnlineWriter(log, store, "shop", MODEL, metrics, experiments)
    began, offset = time.process_time(), ""
    while offset != (offset := await writer.step(0.01)):
        pass
    return time.process_time() - began


async def _speed(redis: Redis, rounds: int, count: int) -> dict[str, object]:
    found: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(rounds):
        for name, own in found.items():
            seconds = await _applied(redis, _mixed(count, 2000, inside=name == "with"))
            own.append(round(seconds / count * 1e6, 1))
    return {
        f"writer_cpu_microseconds_{name}": {"median": statistics.median(own), "all": own}
        for name, own in found.items()
    }


async def _memory(redis: Redis, users: int = 2000) -> dict[str, object]:
    found: dict[str, object] = {}
    now, choice = int(time.time() * 1000), random.Random(3)
    for answers, clicks in USERS:
        events = []
        for user in (f"u{n}" for n in range(users)):
            times = [now - choice.randrange(20 * HOUR) for _ in range(answers + clicks)]
            events += [_impression(user, at, 1) for at in times[:answers]]
            events += [Event("e", Kind.CLICK, user, ("i1",), at) for at in times[answers:]]
        await _applied(redis, events)
        size = await redis.memory_usage(f"{{shop}}:experiment:{ID}:users", samples=0)
        found[f"{answers} answers, {clicks} clicks"] = round((size or 0) / users)
    return {"bytes_of_a_user": found}


async def measured(rounds: int, count: int) -> dict[str, object]:
    """Both, on a store of their own."""
    with tempfile.TemporaryDirectory() as folder, redis_server.running(Path(folder)) as server:
        async with Redis.from_url(server.url) as redis:
            return {**await _speed(redis, rounds, count), **await _memory(redis)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=40_000, help="of a round")
    args = parser.parse_args()
    print(json.dumps({**asyncio.run(measured(args.rounds, args.events)), "machine": machine()}))


if __name__ == "__main__":
    main()
