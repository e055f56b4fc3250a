"""Clients of a transformer under test, and exact checks of its counters."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http

from tests.integration.transformer_rig import Running, until

PREDICT = "/v1/models/recommender:predict"
SESSION = [{"item": 49, "timestamp": 1}, {"item": 48, "timestamp": 2}]


@contextlib.contextmanager
def counted(running: Running, name: str, expected: float = 1, **labels: str) -> Iterator[None]:
    """The series must grow by exactly this much."""
    before = running.metric(name, **labels)
    yield
    assert running.metric(name, **labels) - before == expected, (name, labels)


def clients(running: Running) -> dict[str, Any]:
    return {
        "grpc": (tritonclient.grpc, running.grpc),
        "http": (tritonclient.http, running.http.removeprefix("http://")),
    }


def infer(running: Running, protocol: str, **inputs: list[Any]) -> Any:
    """One v2 call by tritonclient with raw inputs."""
    module, url = clients(running)[protocol]
    tensors = []
    for name, values in inputs.items():
        if isinstance(values[0], str):
            data, kind = np.array([value.encode() for value in values], np.object_), "BYTES"
        elif isinstance(values[0], float):
            data, kind = np.array(values, np.float32), "FP32"
        else:
            data, kind = np.array(values, np.int64), "INT64"
        tensor = module.InferInput(name, list(data.shape), kind)
        tensor.set_data_from_numpy(data)
        tensors.append(tensor)
    with module.InferenceServerClient(url) as client:
        return client.infer("recommender", tensors)


def in_flight(running: Running) -> float:
    """Instances that are being answered."""
    return running.metric("transformer_requests_in_flight")


class Traffic:
    """Clients that send requests without a pause until they are stopped."""

    def __init__(self, running: Running, callers: int = 4) -> None:
        self.running = running
        self.answers: list[str] = []  # sources
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def reach(self, source: str, count: int = 50) -> None:
        """Wait for this number of further answers from a source."""
        start = self.answers.count(source)
        until(lambda: self.answers.count(source) >= start + count, f"answered by {source}")

    def _call(self) -> None:
        host = self.running.http.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=30)
        body = json.dumps({"instances": [{"user_id": 1, "session": SESSION}]})
        while not self._stop.is_set():
            try:
                connection.request("POST", PREDICT, body, {"content-type": "application/json"})
                response = connection.getresponse()
                content = json.loads(response.read())
                assert response.status == 200, content
                self.answers.append(content["predictions"][0]["source"])
            except Exception as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()
