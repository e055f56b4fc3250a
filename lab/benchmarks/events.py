"""The event path under the largest legal load: impressions of 500 text items.

`make bench-events` prints one JSON object as its last line. A backlog of `--requests` requests of
1 MiB (at most 200) waits when the writer starts, in a cgroup with the memory limit of the chart
where the machine allows one (`limit` says so; `writer_peak_mib` is resident memory without page
cache). Meanwhile one model appends until it has sent twice `--requests`, and another process reads
a user of another one as the transformer does: `store_block_*` is how long it waits. The same
process appends a purchase of the other model about ten times a second: `other_append_*` is how
long that takes to be durable. `script_max_ms` is the longest script by the clock of Redis, and
`store_stalls_ms` the longest stall of Redis by its cause (`LATENCY LATEST`), from 5 ms: on a busy
machine, mostly the fsync of the disk. Then a store of `--megabytes` is filled without a writer:
`full_store_recovery_s` is the time from the start of the writer until a purchase is accepted and
nothing waits. `erasure_step_s` is the time from an erasure until the files are without the user.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from redis.asyncio import Redis

from recommender_collector.domain.events import Erasure
from recommender_collector.domain.lines import Lines, line_of
from recommender_collector.log.event_log import LogBusy
from recommender_collector.log.group_commit import GroupCommit
from recommender_collector.log.redis_log import FULL, RedisLog, stream
from recommender_contract.ids import hashed
from recommender_serving.store.user_reader import StoreError, UserReader
from tests import memory_limit, redis_server
from tests.benchmarks.machine import machine
from tests.collector_rig import MAPPING, Process
from tests.largest_events import impressions, purchase
from tests.memory_limit import Limit

MODELS = ("shop", "quiet")
WRITER_MIB = 512  # the limit of the chart
MOST_WAITING = 200  # requests of 1 MiB in a store of 512 MB; beyond it the log is busy
OPTIONS = (*redis_server.DURABLE, "--zset-max-listpack-entries", "512")


class Desk:
    """A store of so many megabytes, a log and a writer."""

    def __init__(self, folder: Path, server: redis_server.RedisServer, limit: Limit) -> None:
        self.server, self.limit, self.files = server, limit, folder / "files"
        self.redis: Redis = Redis.from_url(server.url)
        self.log = RedisLog(self.redis, dict.fromkeys(MODELS, 86_400))
        self.commit = GroupCommit(self.log, "shop")
        declared = {"models": {name: {"mapping": MAPPING} for name in MODELS}}
        (folder / "collector.json").write_bytes(orjson.dumps(declared))
        arguments = ("--files", str(self.files), "--flush-seconds", "1")
        self.writer = Process(folder, "write", *arguments, prefix=limit.prefix)
        self.sent = 0

    async def send(self, lines: Lines) -> None:
        """Append as a client does that repeats what is refused."""
        while True:
            await self.log.backlog()
            try:
                await self.commit.append(lines)
            except LogBusy:
                await asyncio.sleep(0.1)
            else:
                self.sent += len(lines)
                return

    async def until_applied(self) -> None:
        """Wait until nothing waits in the log."""
        while any([await self.redis.xlen(stream(model)) for model in MODELS]):
            await asyncio.sleep(0.05)

    def counts(self) -> dict[str, int]:
        """Return how many events the files lack, and how many they have twice."""
        rows = [
            orjson.loads(line)["id"]
            for path in self.files.glob("*/0*/events.jsonl")
            for line in path.read_bytes().splitlines()
        ]
        return {"lost": self.sent - len(set(rows)), "double": len(rows) - len(set(rows))}


@contextlib.asynccontextmanager
async def desk(megabytes: int) -> AsyncIterator[Desk]:
    with (
        tempfile.TemporaryDirectory() as scratch,
        memory_limit.limited(WRITER_MIB) as limit,
        redis_server.running(Path(scratch), *OPTIONS, "--maxmemory", f"{megabytes}mb") as server,
    ):
        made = Desk(Path(scratch), server, limit)
        try:
            yield made
        finally:
            made.writer.stop()
            await made.redis.aclose()


async def read(url: str) -> dict[str, float]:
    """Read a user, and append purchases, until the input ends; return the milliseconds."""
    users = UserReader(url, "quiet")
    waits: list[float] = []
    appends: list[float] = []
    redis: Redis = Redis.from_url(url)
    commit = GroupCommit(RedisLog(redis, {"quiet": 86_400}), "quiet")
    first = time.time_ns()
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    while not ended.done():
        start = time.perf_counter()
        with contextlib.suppress(StoreError):  # it gives up after half a second, which is a wait
            await users.read(hashed("buyer0"))
        waits.append((time.perf_counter() - start) * 1000)
        if len(waits) % 40 == 0:
            start = time.perf_counter()
            await commit.append(purchase(first + len(appends)))
            appends.append((time.perf_counter() - start) * 1000)
        await asyncio.sleep(0.002)
    await users.close()
    await redis.aclose()
    appended = {f"append_{name}": value for name, value in spread(appends).items()}
    return {**spread(waits), **appended, "appended": len(appends)}


def spread(waits: Sequence[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the most, in milliseconds."""
    ordered = sorted(waits) or [0.0]
    places = {"p50": len(ordered) // 2, "p99": int(len(ordered) * 0.99), "max": -1}
    return {name: round(ordered[place], 1) for name, place in places.items()}


class Reader:
    """The other process; `end` returns how long its reads waited."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "lab.benchmarks.events", "--read", url]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe)

    def end(self) -> dict[str, float]:
        found, _ = self._process.communicate()
        waits: dict[str, float] = json.loads(found)
        return waits


async def largest_load(requests: int) -> dict[str, Any]:
    """A backlog, then as much again while a reader of another model reads."""
    async with desk(512) as at:
        idle = Reader(at.server.url)
        await asyncio.sleep(3)
        quiet = idle.end()
        backlog = min(requests, MOST_WAITING)
        for number in range(backlog):
            await at.send(impressions(number))
        await at.redis.config_set("slowlog-log-slower-than", 1000)
        await at.redis.config_set("slowlog-max-len", 100_000)
        await at.redis.config_set("latency-monitor-threshold", 5)
        reader, start = Reader(at.server.url), time.perf_counter()
        at.writer.start(at.server.url)
        for number in range(backlog, 2 * requests):
            await at.send(impressions(number))
        await at.until_applied()
        seconds = time.perf_counter() - start
        events_per_s = round(at.sent / seconds)
        waits, slow = reader.end(), await at.redis.slowlog_get(100_000)
        stalls = await at.redis.latency_latest()
        at.sent += int(quiet["appended"] + waits["appended"])
        await at.until_applied()
        erased = await erasure(at)
        return {
            "writer_peak_mib": round(memory_limit.peak_mib(at.writer.pid)),
            "limit": f"cgroup of {WRITER_MIB} MiB" if at.limit.folder else "none",
            "writer_kills": at.limit.kills,
            "store_block_p99_ms": waits["p99"], "store_block_max_ms": waits["max"],
            "idle_p99_ms": quiet["p99"], "idle_max_ms": quiet["max"],
            "script_max_ms": max((each["duration"] / 1000 for each in slow), default=0.0),
            "store_stalls_ms": {each[0].decode(): each[3] for each in stalls},
            "other_append_p50_ms": waits["append_p50"], "other_append_p99_ms": waits["append_p99"],
            "other_append_max_ms": waits["append_max"], "other_appends": waits["appended"],
            "events_per_s": events_per_s,
            "erasure_step_s": erased, **at.counts(),
        }  # fmt: skip


async def erasure(at: Desk) -> float:
    """Erase a user without events, so that none is missing afterwards; return the seconds."""
    start = time.perf_counter()
    await at.log.append_erasure("shop", line_of(Erasure("nobody")))
    while not list(at.files.glob("shop/_erasures/*.jsonl")):
        await asyncio.sleep(0.02)
    await at.until_applied()
    return round(time.perf_counter() - start, 2)


async def full_store(megabytes: int) -> dict[str, Any]:
    """A store at its limit with records that are not applied."""
    async with desk(megabytes) as at:
        number = 0
        with contextlib.suppress(LogBusy):
            while True:
                lines = impressions(number, 100_000)
                await at.commit.append(lines)
                at.sent, number = at.sent + len(lines), number + 1
        await at.log.backlog()
        start = time.perf_counter()
        at.writer.start(at.server.url)
        await at.send(purchase(0))
        accepted = time.perf_counter() - start
        await at.until_applied()
        share = (await at.log.backlog())["shop"].memory
        return {
            "purchase_accepted_s": round(accepted, 1),
            "full_store_recovery_s": round(time.perf_counter() - start, 1),
            "share_afterwards": round(share, 2), "full_below": FULL, **at.counts(),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--read", metavar="URL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        print(json.dumps(asyncio.run(read(args.read))))
        return
    load = asyncio.run(largest_load(args.requests))
    print(load, flush=True)
    full = asyncio.run(full_store(args.megabytes))
    counted = {name: load.pop(name) + full.pop(name) for name in ("lost", "double")}
    print(json.dumps({**load, **full, **counted, "machine": machine()}))


if __name__ == "__main__":
    main()
