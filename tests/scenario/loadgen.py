"""An open-loop load generator: it does not wait for a response before the next request.

Latency is measured from the scheduled time of a request, so that a stalled server shows in the
figures (coordinated omission). Arrivals are a seeded Poisson process. Commands are JSON lines on
standard input, figures are JSON lines on standard output, once per second:

    python -m tests.scenario.loadgen --url http://127.0.0.1:18080 --host movies.local \\
        --requests traffic.jsonl --rate 40
    {"requests": "traffic-shifted.jsonl"}      switch the replayed users
    {"rate": 200}                              continue at another rate
    {"stop": true}                             finish requests in flight, print the total, exit
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import math
import pathlib
import random
import sys
import time
from typing import Any

import aiohttp

MAX_IN_FLIGHT = 2000
#: Latency buckets grow by 2 % each from 0.1 ms: quantiles are exact to 2 %.
GROWTH = 1.02
FLOOR_SECONDS = 1e-4


class Figures:
    """Counts of one run."""

    def __init__(self) -> None:
        self.sent = 0
        self.ok = 0
        self.failed = 0
        self.failures: collections.Counter[str] = collections.Counter()
        #: When the first and the last failed request were sent, in seconds since the epoch.
        self.failed_between: list[float] = []
        self.versions: collections.Counter[str] = collections.Counter()
        self.sources: collections.Counter[str] = collections.Counter()
        self.latencies: collections.Counter[int] = collections.Counter()

    def answered(self, version: str, source: str, seconds: float) -> None:
        self.ok += 1
        self.versions[version] += 1
        self.sources[source] += 1
        bucket = math.log(max(seconds, FLOOR_SECONDS) / FLOOR_SECONDS, GROWTH)
        self.latencies[int(bucket)] += 1

    def failure(self, cause: str, sent_at: float) -> None:
        self.failed += 1
        self.failed_between = [
            min([sent_at, *self.failed_between]), max([sent_at, *self.failed_between])
        ]  # fmt: skip
        self.failures[cause[:200]] += 1

    def quantile(self, share: float) -> float:
        """Return the quantile of the latency in seconds for a share of the answers."""
        rest = share * sum(self.latencies.values())
        for bucket in sorted(self.latencies):
            rest -= self.latencies[bucket]
            if rest <= 0:
                return float(FLOOR_SECONDS * GROWTH ** (bucket + 1))
        return 0.0

    def line(self) -> str:
        return json.dumps(
            {
                "sent": self.sent,
                "ok": self.ok,
                "failed": self.failed,
                "failures": dict(self.failures.most_common(5)),
                "failed_between": self.failed_between,
                "versions": dict(self.versions),
                "sources": dict(self.sources),
                "p50_ms": round(1000 * self.quantile(0.5), 2),
                "p99_ms": round(1000 * self.quantile(0.99), 2),
            }
        )


class Generator:
    """Replays requests at a constant rate until it receives a stop command."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.url = f"{arguments.url}/v1/models/recommender:predict"
        self.headers = {"Host": arguments.host} if arguments.host else {}
        self.rate: float = arguments.rate
        self.timeout: float = arguments.timeout
        self.random = random.Random(arguments.seed)
        self.figures = Figures()
        self.recent = Figures()
        self.stopped = asyncio.Event()
        self.serial = 0
        self.use(arguments.requests)

    def use(self, path: str) -> None:
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
        self.requests: list[dict[str, Any]] = [json.loads(line) for line in lines]
        if not self.requests:
            raise SystemExit(f"{path}: contains no request")
        self.random.shuffle(self.requests)
        self.position = 0

    def next_body(self) -> bytes:
        """Return the next request; each replay of a session gets a new session id."""
        request = dict(self.requests[self.position % len(self.requests)])
        self.position += 1
        self.serial += 1
        request["session_id"] = f"{request.get('session_id', '')}-{self.serial}"
        return json.dumps({"instances": [request]}).encode()

    async def send(self, session: aiohttp.ClientSession, intended: float) -> None:
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        headers = {**self.headers, "Content-Type": "application/json"}
        sent_at = time.time()
        try:
            async with session.post(
                self.url, data=self.next_body(), headers=headers, timeout=timeout
            ) as response:
                body = await response.read()
                if response.status != 200:
                    self.fail(f"HTTP {response.status}: {body[:150]!r}", sent_at)
                    return
            answer = json.loads(body)["predictions"][0]
            if not answer["items"]:
                self.fail("an answer without items", sent_at)
                return
        except Exception as error:  # any error is a failure for the user
            self.fail(f"{type(error).__name__}: {error}", sent_at)
            return
        seconds = time.monotonic() - intended
        for figures in (self.figures, self.recent):
            figures.answered(answer["version"], answer["source"], seconds)

    def fail(self, cause: str, sent_at: float) -> None:
        self.figures.failure(cause, sent_at)
        self.recent.failure(cause, sent_at)

    async def send_all(self) -> None:
        connector = aiohttp.TCPConnector(limit=MAX_IN_FLIGHT, keepalive_timeout=30)
        in_flight: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(connector=connector) as session:
            due = time.monotonic()
            while not self.stopped.is_set():
                due += self.random.expovariate(self.rate)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if len(in_flight) >= MAX_IN_FLIGHT:
                    self.fail(
                        "too many requests in flight: the server does not respond", time.time()
                    )
                    continue
                self.figures.sent += 1
                task = asyncio.create_task(self.send(session, due))
                in_flight.add(task)
                task.add_done_callback(in_flight.discard)
            await asyncio.gather(*in_flight, return_exceptions=True)

    async def report(self) -> None:
        while not self.stopped.is_set():
            await asyncio.sleep(1)
            recent, self.recent = self.recent, Figures()
            total = json.loads(self.figures.line())
            print(json.dumps({"total": total, "recent": json.loads(recent.line())}), flush=True)

    async def obey(self) -> None:
        """Read the commands; a closed standard input (the parent ended) stops the load."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            command = json.loads(line)
            if "requests" in command:
                self.use(command["requests"])
            if "rate" in command:
                self.rate = float(command["rate"])
            if command.get("stop"):
                break
        self.stopped.set()

    async def run(self) -> None:
        await asyncio.gather(self.send_all(), self.report(), self.obey())
        print(json.dumps({"total": json.loads(self.figures.line()), "end": True}), flush=True)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True, help="address of the Gateway")
    parser.add_argument("--host", default="", help="host name of the model's route")
    parser.add_argument("--requests", required=True, help="JSON lines in the v1 format")
    parser.add_argument("--rate", type=float, default=20.0, help="requests per second, on average")
    parser.add_argument(
        "--timeout", type=float, default=15.0, help="time limit of a request in seconds"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of arrivals and order")
    return parser.parse_args(arguments)


async def main() -> None:
    await Generator(parse()).run()


if __name__ == "__main__":
    asyncio.run(main())
