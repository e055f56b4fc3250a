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
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.cluster.triton import free_ports
from tests.unit.recommender_serving.serving_samples import write_files, write_manifest

VERSION = "movies-0a1b2c3d"
BREAKS, NOT_FINITE, EMPTY, SLOW, MISSHAPEN = 666, 667, 668, 669, 670
INPUTS = {
    "user_id": ("INT64", 1),
    "user_features": ("INT64", 3),
    "session_items": ("INT64", -1),
    "session_timestamps": ("INT64", -1),
    "session_values": ("FP32", -1),
    "timestamp": ("INT64", 1),
    "top_n": ("INT64", 1),
}


class FaultyOnDemand(torch.nn.Module):
    """Item i scores `(i + user) mod 50 / 50`; some users make it fail in their own way."""

    def forward(
        self,
        user_id: torch.Tensor,
        user_features: torch.Tensor,
        session_items: torch.Tensor,
        session_timestamps: torch.Tensor,
        session_values: torch.Tensor,
        timestamp: torch.Tensor,
        top_n: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if bool((user_id == 666).any()):
            raise RuntimeError("this user breaks the model")
        if bool((user_id == 669).any()):
            work = torch.ones(512, 512)
            for _ in range(200):
                work = (work @ work).clamp(0.0, 1.0)
            user_id = user_id + work[0, 0].long() * 0
        items = torch.arange(50)
        scores = ((items + user_id) % 50).float() / 50
        seen = (session_items.unsqueeze(2) == items).any(dim=1)
        best = scores.masked_fill(seen, -1.0).topk(int(top_n.max()), dim=1)
        values = best.values
        if bool((user_id == 667).any()):
            values = values * float("nan")
        if bool((user_id == 668).any()):
            return best.indices[:, :0], values[:, :0]
        if bool((user_id == 670).any()):
            return best.indices, values[:, 1:]
        return best.indices, values


class Plain(torch.nn.Module):
    """The baseline: item i scores i / 100."""

    def forward(
        self,
        user_id: torch.Tensor,
        user_features: torch.Tensor,
        session_items: torch.Tensor,
        session_timestamps: torch.Tensor,
        session_values: torch.Tensor,
        timestamp: torch.Tensor,
        top_n: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        items = torch.arange(50)
        scores = (items.float() / 100).expand(user_id.shape[0], 50)
        seen = (session_items.unsqueeze(2) == items).any(dim=1)
        best = scores.masked_fill(seen, -1.0).topk(int(top_n.max()), dim=1)
        return best.indices, best.values


def write_artifact(folder: Path) -> str:
    """An artifact with both Triton models; returns its digest."""
    write_files(folder)
    for name, module in (("recommender", FaultyOnDemand()), ("baseline", Plain())):
        _save(module, folder / "repository" / name)
    return write_manifest(folder)


def _save(module: torch.nn.Module, folder: Path) -> None:
    (folder / "1").mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript itself
        torch.jit.save(torch.jit.script(module), folder / "1" / "model.pt")
    inputs = ", ".join(
        f'{{ name: "{name}" data_type: TYPE_{kind} dims: [ {size} ] }}'
        for name, (kind, size) in INPUTS.items()
    )
    (folder / "config.pbtxt").write_text(
        f'platform: "pytorch_libtorch"\nmax_batch_size: 64\ninput [ {inputs} ]\n'
        'output [ { name: "item_ids__0" data_type: TYPE_INT64 dims: [ -1 ] },\n'
        '  { name: "scores__1" data_type: TYPE_FP32 dims: [ -1 ] } ]\ndynamic_batching { }\n'
    )


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
            with urllib.request.urlopen(self.http + path, timeout=10) as response:
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
            with urllib.request.urlopen(call, timeout=10) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def ask(self, **instance: Any) -> dict[str, Any]:
        """The prediction for one instance, which must succeed."""
        status, body = self.post("/v1/models/recommender:predict", {"instances": [instance]})
        assert status == 200, body
        return dict(body["predictions"][0])

    def ready(self) -> bool:
        """Whether the probe passes; a refused connection is none."""
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

    def stop(self, seconds: float = 30) -> int:
        """End the process by SIGTERM; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextlib.contextmanager
def run_transformer(
    artifact: Path, triton: str, log: Path, *flags: str, wait: bool = True
) -> Iterator[Running]:
    """A transformer until the block ends, ready when it begins."""
    http, grpc = free_ports(2)
    command = [
        sys.executable, "-m", "recommender_serving", "serve",
        "--artifact", str(artifact), "--triton", triton,
        "--http-port", str(http), "--grpc-port", str(grpc), "--drain-seconds", "0.2",
        # A busy machine must not look like a slow model.
        "--timeout-ms", "30000", "--baseline-timeout-ms", "30000", *flags,
    ]  # fmt: skip
    environment = os.environ | {
        "RECOMMENDER_MODEL": "movies",
        "RECOMMENDER_VERSION": VERSION,
    }
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
    seconds: float = 60,
) -> None:
    """Wait for a condition; fail when it does not come or the process ends."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, f"the process ended: {what}"
        assert time.monotonic() < deadline, f"not {what} after {seconds} s"
        time.sleep(0.02)
