"""What a rollout adds to a request: a header, the way to the other version, or a copy for it.

Two transformers in front of a Triton that does no work. One client, the sides interleaved request
by request: no rollout, a user of the receiver, a user of the candidate, a request that is copied
after its answer; over each protocol.

    python -m lab.benchmarks.forwarding [--count 2000]

The last line is one JSON object; times are in milliseconds.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc

from lab.benchmarks.transformer_overhead import (
    PREDICT,
    V1,
    V2,
    Call,
    processor_seconds,
    quantiles,
    stub,
    v2_body,
)
from recommender_serving.experiments.assignment import bucket
from tests.benchmarks.machine import machine
from tests.integration.toy_models import INPUTS
from tests.integration.transformer_rig import VERSION, Running, run_transformer
from tests.ports import free_ports
from tests.unit.recommender_serving.serving_samples import write_files

CANDIDATE = "movies-11111111"
ID = "0a1b2c3d"
HEADERS = {"x-recommender-experiment": f"id={ID};phase=0;cap=100;arms={CANDIDATE}:0-5000"}
THEIRS = next(user for user in range(100) if bucket(ID, str(user)) < 5000)
OURS = next(user for user in range(100) if bucket(ID, str(user)) >= 5000)
#: Name of a side: the headers and the user.
SIDES: Mapping[str, tuple[dict[str, str], int]] = {
    "none": ({}, THEIRS),
    "own": (HEADERS, OURS),
    "forwarded": (HEADERS, THEIRS),
    "copied": ({"x-recommender-shadow": f"{CANDIDATE}:10000"}, THEIRS),
}
WARM_UP = 100


def rest_call(running: Running, path: str, body: Any, headers: dict[str, str]) -> Call:
    """A call over one kept connection."""
    connection = http.client.HTTPConnection(running.http.removeprefix("http://"))
    data = json.dumps(body)

    def call() -> None:
        connection.request("POST", path, data, headers)
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200, content

    return call


def grpc_call(running: Running, user: int, headers: dict[str, str]) -> Call:
    """A call by tritonclient, its tensors built once."""
    client = tritonclient.grpc.InferenceServerClient(running.grpc)
    tensors = []
    for name, values in (V2 | {"user_id": [user]}).items():
        kind = INPUTS[name][0]
        data = np.array(values, np.float32 if kind == "FP32" else np.int64)
        tensor = tritonclient.grpc.InferInput(name, list(data.shape), kind)
        tensor.set_data_from_numpy(data)
        tensors.append(tensor)
    return lambda: client.infer("recommender", tensors, headers=headers) and None


def sides(running: Running) -> dict[str, dict[str, Call]]:
    """The calls of each protocol, by side."""
    found: dict[str, dict[str, Call]] = {"restV1": {}, "restV2": {}, "grpc": {}}
    for name, (headers, user) in SIDES.items():
        v1 = {"instances": [V1["instances"][0] | {"user_id": user}]}
        v2 = v2_body()
        v2["inputs"][0]["data"] = [user]
        found["restV1"][name] = rest_call(running, PREDICT, v1, headers)
        found["restV2"][name] = rest_call(running, "/v2/models/recommender/infer", v2, headers)
        found["grpc"][name] = grpc_call(running, user, headers)
    return found


def closed_loop(calls: dict[str, Call], count: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each side, interleaved in random order."""
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for _ in range(count):
        random.shuffle(names)
        for name in names:
            start = time.perf_counter()
            calls[name]()
            taken[name].append(1000 * (time.perf_counter() - start))
    return {name: quantiles(values) for name, values in taken.items()}


def processor(calls: dict[str, Call], running: Running, count: int) -> dict[str, float]:
    """Milliseconds of the receiver's CPU time an answer, by side."""
    found = {}
    for name, call in calls.items():
        before = processor_seconds(running.process)
        for _ in range(count):
            call()
        spent = processor_seconds(running.process) - before
        found[name] = round(1000 * spent / count, 3)
    return found


@contextlib.contextmanager
def receiver(folder: Path, triton: str) -> Iterator[Running]:
    """A receiver in front of a candidate."""
    ports = free_ports(2)
    write_files(folder / "artifact")
    peers = ",".join(f"127.0.0.1:{port}" for port in ports)
    with (
        run_transformer(
            folder / "artifact", triton, folder / "candidate", ports=ports,
            environ={"RECOMMENDER_VERSION": CANDIDATE},
        ) as candidate,
        run_transformer(
            folder / "artifact", triton, folder / "receiver",
            environ={"RECOMMENDER_PEERS": peers, "RECOMMENDER_VERSION": VERSION},
        ) as running,
    ):  # fmt: skip
        yield running
        assert candidate.metric("recommender_answers_total", source="model") > 0


def main() -> None:
    """Print the figures; the last line is a JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=2000)
    args = parser.parse_args()
    report: dict[str, Any] = {"count": args.count}
    with (
        tempfile.TemporaryDirectory() as folder,
        stub() as triton,
        receiver(Path(folder), triton) as running,
    ):
        for protocol, calls in sides(running).items():
            report[protocol] = {
                "latency": closed_loop(calls, args.count),
                "cpu": processor(calls, running, args.count),
            }
        failed = running.metric("transformer_experiment_disagreements_total")
        report["disagreements"] = failed
        report["copies"] = running.metric("transformer_copies_total", outcome="answered")
    report["machine"] = machine()
    report["loadAverage"] = round(os.getloadavg()[0], 1)
    print(json.dumps(report, indent=1))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
