"""A transformer process in front of a Triton, on free ports."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recommender_contract.ids import hashed
from tests.integration import toy_models
from tests.ports import free_ports
from tests.unit.recommender_serving.serving_samples import (
    TEXT_KINDS,
    TEXTS,
    write_files,
    write_manifest,
    write_text_files,
)

VERSION = "movies-0a1b2c3d"


def write_artifact(folder: Path, most: int = 64) -> str:
    """An artifact with both Triton models and batches of `most` requests; returns its digest."""
    write_files(folder)
    for name, module in (
        ("recommender", toy_models.FaultyOnDemand()),
        ("baseline", toy_models.Plain()),
    ):
        toy_models.save(module, folder / "repository" / name, most=most)
    return write_manifest(folder)


def write_text_artifact(folder: Path) -> str:
    """An artifact whose ids are texts, with both Triton models; returns its digest."""
    write_text_files(folder)
    for name in ("recommender", "baseline"):
        listed = toy_models.Listed([hashed(text) for text in TEXTS])
        toy_models.save(listed, folder / "repository" / name)
    return write_manifest(folder, ids=TEXT_KINDS)


@dataclass(frozen=True)
class Running:
    """A transformer process."""

    process: subprocess.Popen[bytes]
    http: str  # base URL
    grpc: str  # host:port
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET."""
        try:
            with urllib.request.urlopen(self.http + path, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def post(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        """Status and JSON of a POST; bytes are sent as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        call = urllib.request.Request(
            self.http + path, data=data, headers={"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(call, timeout=60) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def ask(self, **instance: Any) -> dict[str, Any]:
        """The prediction for one instance, which must succeed."""
        status, body = self.post("/v1/models/recommender:predict", {"instances": [instance]})
        assert status == 200, body
        return dict(body["predictions"][0])

    def ready(self) -> bool:
        """Whether the probe passes; a refused connection is a failure."""
        with contextlib.suppress(OSError):
            return self.get("/v2/health/ready")[0] == 200
        return False

    def metric(self, name: str, **labels: str) -> float:
        """The value of one series, which must exist."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            found, _, rest = series.partition("{")
            if found == name and wanted <= set(rest.rstrip("}").split(",")):
                return float(value)
        raise AssertionError(f"no series {name} {labels}")

    def stop(self, seconds: float = 120) -> int:
        """Stop the process with SIGTERM; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextlib.contextmanager
def run_transformer(
    artifact: Path,
    triton: str,
    log: Path,
    *flags: str,
    wait: bool = True,
    source: str = "",
    environ: Mapping[str, str] | None = None,
    ports: Sequence[int] | None = None,
) -> Iterator[Running]:
    """A transformer for the duration of the context, ready at its start.

    `environ` adds to its environment. `source` is the folder of another checkout's packages to
    run in place of this one's. `ports` are those of REST and gRPC.
    """
    http, grpc = ports or free_ports(2)
    command = [
        sys.executable, "-m", "recommender_serving", "serve",
        "--artifact", str(artifact), "--predictor-host", triton,
        "--http-port", str(http), "--grpc-port", str(grpc), "--drain-seconds", "0.2",
        # A busy machine must not look like a slow model.
        "--timeout-ms", "30000", "--baseline-timeout-ms", "30000", *flags,
    ]  # fmt: skip
    environment = os.environ | {
        "RECOMMENDER_MODEL": "movies",
        "RECOMMENDER_VERSION": VERSION,
        **(environ or {}),
    }
    if source:
        environment["PYTHONPATH"] = source
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    running = Running(process, f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc}", log)
    try:
        if wait:
            until(running.ready, f"ready: {log}", process)
        yield running
    finally:
        process.kill()
        process.wait()


def until(
    condition: Callable[[], bool],
    what: str,
    process: subprocess.Popen[bytes] | None = None,
    seconds: float = 120,
) -> None:
    """Wait for a condition; fail if it does not become true or the process ends."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, f"the process ended: {what}"
        assert time.monotonic() < deadline, f"not {what} after {seconds} s"
        time.sleep(0.02)
