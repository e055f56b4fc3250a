"""The collector's processes on a real Redis, and a client that repeats what is not answered."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson

from recommender_collector.store.redis_acl import reader
from tests import store_users, warm
from tests.ports import free_port
from tests.redis_server import DURABLE, RedisServer

if TYPE_CHECKING:
    from tests.kafka_server import KafkaServer

MAPPING: dict[str, Any] = {
    "interactions": {
        "files": "*/interactions.jsonl",
        "user": "user_id",
        "item": "item_id",
        "timestamp": "time",
        "timestampUnit": "Milliseconds",
        "eventType": "kind",
        "eventTypes": [{"type": "click", "value": 3}, {"type": "purchase", "value": 5}],
    },
    "ids": {"user": "Text", "item": "Text"},
}
RETRIED = (429, 503)
PACKAGE = "recommender_collector"
ADMIN_TOKEN = "the-token-of-the-admin-port"
#: Headers of requests to the admin port.
ADMITTED = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
#: For a process to start or to end, on a machine that is busy with others.
SECONDS = 120.0


class Process:
    """A command of the collector that can be killed and started again.

    With a `prefix`, which is put before the command, or if `fresh`, its interpreter is its own.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *arguments: str,
        prefix: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> None:
        self._environ = {**os.environ, **(environ or {})}
        self.admin, self.metrics = free_port(), free_port()
        self._folder = folder
        self._name = name
        self._prefix = prefix
        self._arguments = arguments
        self._fresh = fresh or bool(prefix)
        self._process: subprocess.Popen[bytes] | warm.Warm | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, store: str) -> None:
        """Start it and wait until it is ready."""
        arguments = [
            self._name, "--declaration", str(self._folder / "collector.json"),
            "--metrics-port", str(self.metrics), *self._arguments,
        ]  # fmt: skip
        if self._name == "serve":
            arguments += ["--admin-port", str(self.admin)]
        token = self._folder / "admin-token"
        token.write_text(ADMIN_TOKEN)
        environ = {
            "RECOMMENDER_ADMIN_TOKEN_FILE": str(token), **self._environ,
            **store_users.environ_of(store, self._name, self._folder),
        }  # fmt: skip
        log = self._folder / f"{self._name}.log"
        with log.open("ab") as out:
            if self._fresh:
                command = [*self._prefix, sys.executable, "-m", PACKAGE, *arguments]
                self._process = subprocess.Popen(command, stdout=out, stderr=out, env=environ)
            else:
                self._process = warm.start(PACKAGE, arguments, out, environ)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(
                    f"http://127.0.0.1:{self.metrics}/readyz", timeout=10
                ).close()
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self._name} is not ready; its log ends:\n{log.read_text()[-2000:]}")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(number)
        try:
            return process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


@dataclass
class Rig:
    """A store, a collector and a writer, below one folder."""

    folder: Path
    redis: RedisServer
    serve: Process
    write: Process
    port: int
    kafka: KafkaServer | None = None
    files: Path = field(init=False)

    def __post_init__(self) -> None:
        self.files = self.folder / "files"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def reader(self) -> dict[str, str]:
        """The variables of a transformer of the model `shop` that reads the store."""
        return store_users.as_user(self.redis.url, reader("shop"), self.folder)

    def archived(self) -> list[dict[str, Any]]:
        """All events in the files."""
        return list(self._rows("events"))

    def interactions(self) -> list[dict[str, Any]]:
        """All rows for training."""
        return list(self._rows("interactions"))

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        for path in sorted(self.files.glob(f"shop/0*/{name}.jsonl")):
            yield from map(orjson.loads, path.read_bytes().splitlines())


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    flush: float = 0.2,
    settings: dict[str, Any] | None = None,
    serve_prefix: Sequence[str] = (),
    serve_options: Sequence[str] = (),
    with_writer: bool = True,
    kafka: KafkaServer | None = None,
    environ: Mapping[str, str] | None = None,
    fresh: bool = False,
) -> Iterator[Rig]:
    """Run all three; `settings` are those of the model `shop`.

    With `kafka`, the log is there, in a topic of its own. `environ` are further variables. If
    `fresh`, each process has an interpreter of its own, as where CPU time and memory are measured.
    """
    model = {"mapping": MAPPING, **(settings or {})}
    (folder / "collector.json").write_bytes(orjson.dumps({"models": {"shop": model}}))
    data = folder / "redis"
    data.mkdir()
    port = free_port()
    redis = RedisServer(data, *DURABLE, *store_users.options(folder), userinfo=store_users.TESTS)
    variables = dict(environ or {})
    if kafka is not None:
        kafka.create(f"rig{port}.shop")
        variables |= kafka.environ(f"rig{port}")
    serve = Process(
        folder,
        "serve",
        *("--port", str(port), "--drain-seconds", "0", *serve_options),
        prefix=serve_prefix,
        environ=variables,
        fresh=fresh,
    )
    write = Process(
        folder,
        "write",
        *("--files", str(folder / "files"), "--flush-seconds", str(flush)),
        environ=variables,
        fresh=fresh,
    )
    try:
        redis.start()
        serve.start(redis.url)
        if with_writer:
            write.start(redis.url)
        yield Rig(folder, redis, serve, write, port, kafka)
    finally:
        for process in (serve, write, redis):
            process.stop()


def clicks(start: int, count: int, users: int = 100) -> list[dict[str, Any]]:
    """Clicks with the ids `e<number>`, of users and items in turn."""
    now = time.time()
    return [
        {
            "id": f"e{number}", "kind": "click", "user": f"u{number % users}",
            "item": f"i{number}", "time": now,
        }
        for number in range(start, start + count)
    ]  # fmt: skip


@dataclass
class Sender:
    """Sends batches until each is acknowledged, as a client should."""

    url: str
    accepted: int = 0
    repeated: int = 0
    attempts: int = 0
    failed: int = 0

    async def send(self, client: httpx.AsyncClient, batch: Sequence[dict[str, Any]]) -> None:
        body = orjson.dumps(batch)
        while True:
            self.attempts += 1
            try:
                answer = await client.post(f"{self.url}/v1/events", content=body)
            except httpx.HTTPError:
                self.failed += 1
                await asyncio.sleep(0.02)
                continue
            if answer.status_code in RETRIED:
                self.failed += 1
                await asyncio.sleep(0.02)
                continue
            assert answer.status_code == 200, answer.text
            told = answer.json()
            self.accepted += told["accepted"]
            self.repeated += told["repeated"]
            return


def until(condition: Any, seconds: float = SECONDS, every: float = 0.05) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(every)
