"""Durable events through the collector, against the store's own appends; and kills under load.

`make bench-collector` prints one JSON object as its last line. Each round appends the same lines
to one Redis that syncs every write: with `redis-benchmark` (`XADD`, one entry an event) and as
events through the collector. The collector has one core for itself; the client of each side and
Redis share the other. `collector_ratio` is the median over the rounds, in batches of 100. On a
busy machine `cpu_ratio` says more: the CPU time of an event in Redis alone by that in the
collector. `python -m tests.benchmarks.collector --only-throughput` leaves out how fresh the store
is, and the kills; `--only-kills` has these alone; `--kafka` shows both without the throughput,
with the log in a Kafka of one broker.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson

from recommender_contract.ids import hashed
from recommender_serving.store.user_reader import UserReader
from tests import collector_rig, redis_server, store_users
from tests.benchmarks.machine import machine
from tests.collector_crash import kill_under_load
from tests.collector_rig import Rig, Sender, clicks

COLLECTOR_CORE, OTHER_CORE = 0, 1
#: Name, events of a request or of a pipeline, connections.
SIZES = (("batches_of_100", 100, 8), ("single_events", 1, 64))


def _events(count: int) -> list[dict[str, Any]]:
    now = time.time()
    return [
        {
            "id": str(uuid.uuid4()), "kind": "click", "user": f"user-{n % 997}",
            "item": f"item-{n % 4999}", "time": now, "request": str(uuid.uuid4()),
            "session": f"session-{n % 499}",
        }
        for n in range(count)
    ]  # fmt: skip


def _line() -> bytes:
    """A line of the log, as the collector writes it."""
    event = _events(1)[0]
    return orjson.dumps(
        [
            1, event["id"], "click", event["user"], [event["item"]], int(event["time"] * 1000),
            None, event["request"], event["session"], None, None,
        ]
    )  # fmt: skip


def store_rate(rig: Rig, events: int, size: int, connections: int) -> float:
    """Events a second that Redis appends by itself, one entry each."""
    user, password = store_users.TESTS.removesuffix("@").split(":")
    command = [
        "taskset", "-c", str(OTHER_CORE), str(redis_server.binary("redis-benchmark")),
        "--user", user, "-a", password,
        "-p", str(rig.redis.port), "-c", str(connections), "-P", str(size), "-n", str(events),
        "--csv", "XADD", "bench", "*", "e", _line().decode(),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=redis_server.environment()
    )
    return float(done.stdout.strip().splitlines()[-1].rsplit(",", 7)[1].strip('"'))


async def collector_rate(rig: Rig, events: int, size: int, connections: int) -> float:
    """Events a second that are acknowledged as durable."""
    made = _events(events)
    bodies = [orjson.dumps(made[start : start + size]) for start in range(0, events, size)]
    requests = [
        b"POST /v1/events HTTP/1.1\r\nhost: c\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
        for body in bodies
    ]
    accepted = 0

    async def stream() -> None:
        nonlocal accepted
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        while requests:
            writer.write(requests.pop())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            told = orjson.loads(await reader.readexactly(length))
            assert head.startswith(b"HTTP/1.1 200"), (head, told)
            accepted += told["accepted"]
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(stream() for _ in range(connections)))
    seconds = time.perf_counter() - start
    assert accepted == events, (accepted, events)
    return events / seconds


def cpu_seconds(pid: int) -> float:
    """CPU time of the threads of a process, to the nanosecond: `stat` counts ticks of 10 ms."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e9


@contextlib.contextmanager
def _spent(pid: int, events: int, into: list[float]) -> Iterator[None]:
    """Add the CPU time of a process for an event, in microseconds."""
    before = cpu_seconds(pid)
    yield
    into.append((cpu_seconds(pid) - before) / events * 1e6)


def throughput(rounds: int, events: int) -> dict[str, Any]:
    """Compare both sides in turn."""
    found: dict[str, Any] = {}
    os.sched_setaffinity(0, {OTHER_CORE})
    with (
        tempfile.TemporaryDirectory() as scratch,
        collector_rig.running(
            Path(scratch),
            serve_prefix=("taskset", "-c", str(COLLECTOR_CORE)),
            with_writer=False,
            fresh=True,
        ) as rig,
    ):
        for name, size, connections in SIZES:
            count = events if size > 1 else events // 10
            asyncio.run(collector_rate(rig, count // 10, size, connections))  # warm
            store, collector = [], []
            cpu: dict[str, list[float]] = {"store_alone": [], "collector": [], "store": []}
            for _ in range(rounds):
                with _spent(rig.redis.pid, count, cpu["store_alone"]):
                    store.append(store_rate(rig, count, size, connections))
                with (
                    _spent(rig.serve.pid, count, cpu["collector"]),
                    _spent(rig.redis.pid, count, cpu["store"]),
                ):
                    collector.append(asyncio.run(collector_rate(rig, count, size, connections)))
            ratios = [c / s for c, s in zip(collector, store, strict=True)]
            middle = {part: statistics.median(each) for part, each in cpu.items()}
            found[name] = {
                "store_per_s": round(statistics.median(store)),
                "collector_per_s": round(statistics.median(collector)),
                "ratio": round(statistics.median(ratios), 3),
                "ratios": [round(ratio, 3) for ratio in ratios],
                "cpu_us_per_event": {part: round(each, 1) for part, each in middle.items()},
                "cpu_ratio": round(middle["store_alone"] / middle["collector"], 3),
            }
            print(name, found[name], flush=True)
    os.sched_setaffinity(0, {COLLECTOR_CORE, OTHER_CORE})
    return found


@contextlib.contextmanager
def _parts(*, kafka: bool) -> Iterator[Rig]:
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        broker = None
        if kafka:
            from tests import kafka_server

            broker = stack.enter_context(kafka_server.running(Path(scratch) / "kafka"))
        yield stack.enter_context(collector_rig.running(Path(scratch), kafka=broker, fresh=True))


async def freshness(events: int, *, kafka: bool) -> dict[str, float]:
    """Milliseconds from the answer to an event until a reader sees it, one event at a time."""
    waits: list[float] = []
    with _parts(kafka=kafka) as rig:
        users = UserReader(rig.redis.url, "shop")
        await users.read(0)
        async with httpx.AsyncClient(timeout=10) as client:
            for number in range(events):
                event = clicks(number, 1, users=events)[0]
                await Sender(rig.url).send(client, [event])
                answered = time.perf_counter()
                while not (await users.read(hashed(str(event["user"])))).recent:
                    assert time.perf_counter() < answered + 10
                waits.append((time.perf_counter() - answered) * 1000)
        await users.close()
    ordered = sorted(waits)
    return {
        "freshness_p50_ms": round(ordered[len(ordered) // 2], 1),
        "freshness_p99_ms": round(ordered[int(len(ordered) * 0.99)], 1),
    }


async def crashes(events: int, kills: int, *, kafka: bool) -> dict[str, Any]:
    """Kill parts under load and count."""
    with _parts(kafka=kafka) as rig:
        outcome = await kill_under_load(rig, events=events, kills=kills)
    return {
        "events": outcome.events, "lost": outcome.lost, "double": outcome.double,
        "kills": outcome.kills, "failed_attempts": outcome.failed_attempts,
        "repeated": outcome.repeated, "wrong_moments": outcome.wrong_moments,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=100_000, help="of a round, in batches")
    parser.add_argument("--fresh-events", type=int, default=1000)
    parser.add_argument("--crash-events", type=int, default=50_000)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--only-throughput", action="store_true")
    parser.add_argument("--only-kills", action="store_true")
    parser.add_argument("--kafka", action="store_true")
    args = parser.parse_args()
    found = {} if args.kafka or args.only_kills else throughput(args.rounds, args.events)
    fresh: dict[str, float] = {}
    counts: dict[str, Any] = {}
    if not (args.only_throughput or args.only_kills):
        fresh = asyncio.run(freshness(args.fresh_events, kafka=args.kafka))
        print(fresh, flush=True)
    if not args.only_throughput:
        counts = asyncio.run(crashes(args.crash_events, args.kills, kafka=args.kafka))
    print(
        json.dumps(
            {
                "benchmark": "collector",
                **({"collector_ratio": found["batches_of_100"]["ratio"]} if found else {}),
                **found,
                **fresh,
                **counts,
                "machine": machine(),
                "load": round(os.getloadavg()[0], 1),
            }
        )
    )


if __name__ == "__main__":
    main()
