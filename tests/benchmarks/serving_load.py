"""An open-loop load generator over HTTP, in a process of its own.

Requests leave at the times of a Poisson process, whatever the answers do, over a bounded number of
kept connections. Latency is measured from the intended time, so that a request which waits for a
free connection counts its wait. The settings come as JSON on standard input, the result leaves as
JSON on standard output:

    {"port", "requests": file of whole HTTP requests, "rate", "seconds", "warm_seconds",
     "connections", "seed", "marker": what a good answer contains, "switch": file or null}

`switch` names a file that may appear during the run with another port: requests intended from then
on go there, as after a promotion.

The generator reports how late it was itself (`lag_p99_ms`) and what it used of a core (`core`): if
either is high, the run measured the generator.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httptools
import uvloop

#: Seconds after the last intended time to wait for answers.
PATIENCE = 30.0
#: The generator sleeps until a request is due, but at most so long: timers are no more exact.
TICK = 0.001


@dataclass(slots=True)
class Job:
    """One request, its intended time, and whether it counts."""

    content: bytes
    due: float
    counts: bool


@dataclass
class Results:
    """What became of the requests."""

    latencies: list[float] = field(default_factory=list)  # milliseconds
    lags: list[float] = field(default_factory=list)
    failed: int = 0
    open: int = 0
    last: float = 0.0  # time of the last answer
    took: float = 0.0  # seconds until then, from the first one that counts


class Connection(asyncio.Protocol):
    """A kept connection with one request at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._job: Job | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._pool.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self, self._job)

    def send(self, job: Job) -> None:
        self._job = job
        assert self._transport is not None
        self._transport.write(job.content)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        assert self._job is not None
        status = self._parser.get_status_code()
        self._pool.done(self._job, status == 200, b"".join(self._body))
        self._parser = httptools.HttpResponseParser(self)
        self._body, self._job = [], None
        self._pool.free(self)


class Pool:
    """The connections to one port, and the jobs that wait for one."""

    def __init__(self, port: int, marker: bytes, results: Results) -> None:
        self.port, self._marker, self._results = port, marker, results
        self._idle: deque[Connection] = deque()
        self._waiting: deque[Job] = deque()

    async def connect(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)

    def submit(self, job: Job) -> None:
        self._results.open += 1
        if self._idle:
            self._idle.popleft().send(job)
        else:
            self._waiting.append(job)

    def free(self, connection: Connection) -> None:
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def done(self, job: Job, good: bool, body: bytes) -> None:
        self._results.open -= 1
        if not job.counts:
            return
        self._results.last = time.perf_counter()
        if good and self._marker in body:
            self._results.latencies.append(1000 * (time.perf_counter() - job.due))
        else:
            self._results.failed += 1

    def lost(self, connection: Connection, job: Job | None) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        if job is not None:
            self._results.open -= 1
            self._results.failed += job.counts


def read_requests(path: Path) -> list[bytes]:
    """The requests of a file: each has its length in four bytes before it."""
    data, found, place = path.read_bytes(), list[bytes](), 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        found.append(data[place + 4 : place + 4 + size])
        place += 4 + size
    return found


def write_requests(path: Path, requests: list[bytes]) -> None:
    """Write requests as `read_requests` reads them."""
    path.write_bytes(b"".join(len(each).to_bytes(4, "big") + each for each in requests))


def schedule(rate: float, seconds: float, seed: int) -> list[float]:
    """Times of a Poisson process from 0 to `seconds`: the same ones for the same seed."""
    drawn, at, times = random.Random(seed), 0.0, list[float]()
    while (at := at + drawn.expovariate(rate)) < seconds:
        times.append(at)
    return times


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


async def drive(settings: dict[str, Any]) -> Results:
    """Send every request at its time, and wait for the answers."""
    contents, results = read_requests(Path(settings["requests"])), Results()
    switch = Path(settings["switch"]) if settings.get("switch") else None
    marker = settings["marker"].encode()
    pool = Pool(settings["port"], marker, results)
    await pool.connect(settings["connections"])
    warm = settings["warm_seconds"]
    times = schedule(settings["rate"], warm + settings["seconds"], settings["seed"])
    start, looked = time.perf_counter() + 0.05, 0.0
    for number, at in enumerate(times):
        due = start + at
        while (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(left if left < TICK else left - TICK / 2)
        if switch is not None and at - looked > 0.05:
            looked = at
            if switch.exists() and int(switch.read_text()) != pool.port:
                pool = Pool(int(switch.read_text()), marker, results)
                await pool.connect(settings["connections"])
        results.lags.append(1000 * (time.perf_counter() - due))
        pool.submit(Job(contents[number % len(contents)], due, at >= warm))
    ends = time.perf_counter() + PATIENCE
    while results.open and time.perf_counter() < ends:
        await asyncio.sleep(0.01)
    results.failed += results.open
    results.took = results.last - start - warm
    return results


def summary(results: Results, seconds: float, core: float) -> dict[str, Any]:
    """The figures of a run."""
    latencies = results.latencies or [float("inf")]
    return {
        "answers": len(results.latencies),
        "failed": results.failed,
        "per_s": round(len(results.latencies) / max(seconds, results.took), 1),
        **{f"p{share}_ms": round(quantile(latencies, share / 100), 2) for share in (50, 90, 99)},
        "lag_p99_ms": round(quantile(results.lags, 0.99), 2),
        "core": round(core, 2),
    }


def main() -> None:
    settings = json.load(sys.stdin)
    began, cpu = time.perf_counter(), time.process_time()
    results = uvloop.run(drive(settings))
    core = (time.process_time() - cpu) / (time.perf_counter() - began)
    print(json.dumps(summary(results, settings["seconds"], core)))


if __name__ == "__main__":
    main()
