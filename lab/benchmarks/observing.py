"""What following requests costs a transformer: its log, and its traces.

Transformers with the same artifact and the same stub of Triton take turns, request by request and
round by round: without traces, with a hundredth and with all requests traced, and with a line for
each request. `--beside` adds the transformer of another checkout.

    python -m lab.benchmarks.observing [--beside serving] [--count 600] [--rounds 8]

The last line is one JSON object: milliseconds at one client, and CPU milliseconds and answers a
second with eight.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import random
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from lab.benchmarks.transformer_overhead import (
    PREDICT,
    V1,
    closed_loop,
    processor_seconds,
    rest_call,
    stub,
    throughput,
)
from tests.benchmarks.machine import machine
from tests.integration.otlp_receiver import receiving
from tests.integration.transformer_rig import Running, run_transformer
from tests.unit.recommender_serving.serving_samples import write_files, write_manifest


def receive(address: Connection) -> None:
    """Receive traces until the other end closes."""
    with receiving() as receiver:
        address.send(receiver.url)
        with contextlib.suppress(EOFError):
            address.recv()


def main() -> None:
    """Print the figures; the last line is a JSON object."""
    parser = argparse.ArgumentParser(description="Cost of logs and traces")
    parser.add_argument("--beside", type=Path, help="folder `serving` of another checkout")
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=8, help="of a second, for each side")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=receive, args=(there,), daemon=True)
    process.start()
    there.close()
    with tempfile.TemporaryDirectory() as folder, stub() as triton:
        report = measure(Path(folder), triton, str(here.recv()), args)
    here.close()
    process.join(10)
    print(json.dumps({"benchmark": "observing", **report, "machine": machine()}))


def measure(folder: Path, triton: str, receiver: str, args: argparse.Namespace) -> dict[str, Any]:
    """Run all sides in turn."""
    write_files(folder / "artifact")
    write_manifest(folder / "artifact")
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver}
    sides: dict[str, dict[str, str]] = {
        "off": {},
        "hundredth": {**traced, "OTEL_TRACES_SAMPLER_ARG": "0.01"},
        "all": {**traced, "OTEL_TRACES_SAMPLER_ARG": "1"},
        "debug": {"RECOMMENDER_LOG_LEVEL": "DEBUG"},
    }
    sources = dict.fromkeys(sides, "")
    if args.beside:
        sides["before"], sources["before"] = {}, str(args.beside.resolve())
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(
                run_transformer(
                    folder / "artifact", triton, folder / name, environ=environ,
                    source=sources[name],
                )
            )
            for name, environ in sides.items()
        }  # fmt: skip
        calls = {name: rest_call(server, PREDICT, V1) for name, server in servers.items()}
        return {
            "oneClient": closed_loop(calls, args.count),
            "eightClients": rounds(servers, args.rounds),
            "memoryMiB": {
                name: round(server.metric("process_resident_memory_bytes") / 2**20)
                for name, server in servers.items()
            },
        }


def rounds(servers: dict[str, Running], count: int) -> dict[str, Any]:
    """Return answers a second and CPU milliseconds an answer, medians of rounds of a second."""
    rates: dict[str, list[float]] = {name: [] for name in servers}
    costs: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(count):
        for name in random.sample(sorted(servers), len(servers)):
            before = processor_seconds(servers[name].process)
            rate = asyncio.run(throughput(servers[name], 1))
            rates[name].append(rate)
            costs[name].append(1000 * (processor_seconds(servers[name].process) - before) / rate)
    return {
        name: {
            "answersPerSecond": round(float(np.median(rates[name]))),
            "cpuMs": round(float(np.median(costs[name])), 3),
        }
        for name in servers
    }


if __name__ == "__main__":
    main()
