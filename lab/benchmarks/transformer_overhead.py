"""The time that the transformer adds to a call of Triton, and its latency at a steady rate.

Closed loop: one client, the sides interleaved request by request, so that a busy moment of the
machine affects all sides. Open loop: requests leave on schedule, late answers or not; latency is
measured from the scheduled time. Both against a real Triton and against one that does no work.
`--beside` interleaves the transformer of another checkout, `--stub-only` needs no Triton.

    python -m lab.benchmarks.transformer_overhead [--artifact FOLDER] [--beside serving] \
        [--stub-only]

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import importlib.metadata
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import tritonclient.grpc

from tests.benchmarks.machine import machine
from tests.cluster.triton import run_triton
from tests.integration.toy_models import INPUTS
from tests.integration.transformer_rig import (
    Running,
    run_transformer,
    until,
    write_artifact,
)
from tests.ports import free_ports
from tests.unit.recommender_serving.serving_samples import write_files

PREDICT = "/v1/models/recommender:predict"
LENGTH = 5
EVENTS = [{"item": 10 + i, "timestamp": 100 + i, "value": 4.0} for i in range(LENGTH)]
V1 = {"instances": [{"user_id": 1, "timestamp": 1000, "top_n": 10, "session": EVENTS}]}
V2: dict[str, list[Any]] = {
    "user_id": [1],
    "session_items": [event["item"] for event in EVENTS],
    "session_timestamps": [event["timestamp"] for event in EVENTS],
    "session_values": [event["value"] for event in EVENTS],
    "timestamp": [1000],
    "top_n": [10],
}
DIRECT = V2 | {"features": [float("nan")] * 3}
Call = Callable[[], None]
VERSIONS = ("starlette", "uvicorn", "grpcio")


@contextlib.contextmanager
def stub() -> Iterator[str]:
    """A Triton that does no work; yields its endpoint."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "lab.benchmarks.transformer_stub", str(port)]
    with subprocess.Popen(command) as process:
        client = tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{port}")

        def up() -> bool:
            with contextlib.suppress(tritonclient.utils.InferenceServerException):
                return bool(client.is_model_ready("recommender"))
            return False

        try:
            until(up, "up", process)
            yield f"127.0.0.1:{port}"
        finally:
            client.close()
            process.kill()


def rest_call(running: Running, path: str, body: Any) -> Call:
    """A call over one kept connection."""
    connection = http.client.HTTPConnection(running.http.removeprefix("http://"))
    data = json.dumps(body)

    def call() -> None:
        connection.request("POST", path, data, {"content-type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200, content

    return call


def grpc_call(url: str, inputs: dict[str, list[Any]], batched: bool) -> Call:
    """A call by tritonclient, its tensors built once."""
    client = tritonclient.grpc.InferenceServerClient(url)
    tensors = []
    for name, values in inputs.items():
        kind = INPUTS[name][0]
        data = np.array(values, np.float32 if kind == "FP32" else np.int64)
        data = data[None, :] if batched else data
        tensor = tritonclient.grpc.InferInput(name, list(data.shape), kind)
        tensor.set_data_from_numpy(data)
        tensors.append(tensor)
    return lambda: client.infer("recommender", tensors) and None


def v2_body() -> dict[str, Any]:
    """The v2 request as JSON."""
    return {
        "inputs": [
            {"name": name, "shape": [len(values)], "datatype": INPUTS[name][0], "data": values}
            for name, values in V2.items()
        ]
    }


def closed_loop(sides: dict[str, Call], count: int) -> dict[str, Any]:
    """Milliseconds of each side, interleaved."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for call in sides.values():
        for _ in range(50):
            call()
    for _ in range(count):
        for name, call in sides.items():
            start = time.perf_counter()
            call()
            taken[name].append(1000 * (time.perf_counter() - start))
    return {name: quantiles(values) for name, values in taken.items()}


def quantiles(values: list[float]) -> dict[str, float]:
    """p50 and p99, rounded."""
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}


async def open_loop(running: Running, rate: float, seconds: float) -> dict[str, Any]:
    """Milliseconds from the scheduled send to the whole answer."""
    taken: list[float] = []
    late: list[float] = []
    failed = 0
    async with aiohttp.ClientSession(running.http) as session:

        async def one(due: float) -> None:
            nonlocal failed
            late.append(1000 * (time.perf_counter() - due))
            async with session.post(PREDICT, json=V1) as response:
                await response.read()
                failed += response.status != 200
            taken.append(1000 * (time.perf_counter() - due))

        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for index in range(int(rate * seconds)):
                due = start + index / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(one(due))
    lag = round(float(np.percentile(late, 99)), 2)
    return quantiles(taken) | {"count": len(taken), "failed": failed, "sendLagP99": lag}


async def throughput(running: Running, seconds: float) -> float:
    """Answers a second to eight clients without a pause."""
    done = 0
    end = time.perf_counter() + seconds
    async with aiohttp.ClientSession(running.http) as session:

        async def one() -> None:
            nonlocal done
            while time.perf_counter() < end:
                async with session.post(PREDICT, json=V1) as response:
                    assert response.status == 200
                    await response.read()
                done += 1

        await asyncio.gather(*(one() for _ in range(8)))
    return done / seconds


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """CPU time of a process."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def started(
    artifact: Path, triton: str, log: Path, source: str
) -> Iterator[tuple[Running, dict[str, Any]]]:
    """A transformer, and what its start took."""
    start = time.perf_counter()
    with run_transformer(artifact, triton, log, source=source) as running:
        yield (
            running,
            {
                "readySeconds": round(time.perf_counter() - start, 2),
                "readyCpuSeconds": round(processor_seconds(running.process), 2),
            },
        )


def measure(artifact: Path, triton: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """All loops over one Triton."""
    sources = {"": ""} | ({"beside": str(args.beside.resolve())} if args.beside else {})
    with contextlib.ExitStack() as stack:
        report: dict[str, Any] = {}
        sides = {"direct": grpc_call(triton, DIRECT, batched=True)}
        servers: dict[str, Running] = {}
        for name, source in sources.items():
            log = folder / f"log-{name}"
            running, taken = stack.enter_context(started(artifact, triton, log, source))
            servers[name] = running
            report[f"{name}start"] = taken
            sides |= {
                f"{name}grpc": grpc_call(running.grpc, V2, batched=False),
                f"{name}restV1": rest_call(running, PREDICT, V1),
                f"{name}restV2": rest_call(running, "/v2/models/recommender/infer", v2_body()),
            }
        report["oneClient"] = closed_loop(sides, args.count)
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(args.rounds):
            for name, running in random.sample(sorted(servers.items()), len(servers)):
                rates[name].append(asyncio.run(throughput(running, 1)))
        for name, running in servers.items():
            report[f"{name}open50rps"] = asyncio.run(open_loop(running, 50, args.seconds))
            report[f"{name}throughputV1"] = round(float(np.median(rates[name])))
            memory = running.metric("process_resident_memory_bytes") / 2**20
            report[f"{name}memoryMiB"] = round(memory)
        assert servers[""].metric("recommender_answers_total", source="model") > args.count
    return report


def main() -> None:
    """Print the figures; the last line is a JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--artifact", type=Path, help="a published artifact; default: a sample")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=6, help="of a second, for the throughput")
    parser.add_argument("--beside", type=Path, help="folder `serving` of another checkout")
    parser.add_argument("--stub-only", action="store_true", help="without a real Triton")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if args.artifact is None and args.stub_only:
            write_files(folder / "artifact")
        elif args.artifact is None:
            write_artifact(folder / "artifact")
        artifact = args.artifact or folder / "artifact"
        real = None
        if not args.stub_only:
            with run_triton(artifact / "repository") as server:
                real = measure(artifact, server.grpc_url, folder, args)
        with stub() as endpoint:
            idle = measure(artifact, endpoint, folder, args)
    closed = (real or idle)["oneClient"]
    report = {
        "compared": "Triton called directly, and through the transformer",
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
        "machine": {
            "cpus": len(os.sched_getaffinity(0)),
            "processor": machine(),
            "loadAverage": round(os.getloadavg()[0], 1),
        },
        "triton": real,
        "stub": idle,
        "ratio": round(closed["restV1"]["p50"] / closed["direct"]["p50"], 2),
    }
    print(json.dumps(report, indent=1))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
