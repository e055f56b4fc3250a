"""What a simulated serving pod answers: counters that grow with time, and one inference."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

#: Requests per second that each pod reports.
RATE = 30
BUCKETS = ("0.005", "0.01", "0.05", "0.1", "0.5", "5", "+Inf")


def page(model: str, version: str, age: float, *, fails: bool) -> bytes:
    """Return the metrics page of a pod after this number of seconds.

    One that `fails` answers half of its requests with an error.
    """
    own, served = f'model="{model}",version="{version}"', int(age * RATE)
    failed = served // 2 if fails else 0
    lines = [
        f'recommender_requests_total{{{own},outcome="ok"}} {served - failed}',
        f'recommender_requests_total{{{own},outcome="error"}} {failed}',
        f'recommender_answers_total{{{own},source="model"}} {served - failed}',
        f"recommender_sessions_total{{{own}}} {served}",
    ]
    for edge in BUCKETS:
        count = 0 if edge == "0.005" else served
        name = "recommender_request_duration_seconds_bucket"
        lines.append(f'{name}{{{own},le="{edge}"}} {count}')
    return ("\n".join(lines) + "\n").encode()


def prediction(*, texts: bool) -> bytes:
    """Return an answer of ten items, whose ids are numbers or texts."""
    answer = {
        "items": [str(i) if texts else i for i in range(1, 11)],
        "scores": [round(0.9 - i / 20, 3) for i in range(10)],
        "source": "model",
    }
    return json.dumps({"predictions": [answer]}).encode()


class Answering(asyncio.Protocol):
    """The two requests of the operator to a pod, over a connection that stays open."""

    def __init__(
        self, model: str, version: str, born: float, answer: bytes, fails: Callable[[str], bool]
    ) -> None:
        """`fails` tells whether the version answers with errors."""
        self._model, self._version, self._born = model, version, born
        self._prediction = answer
        self._fails = fails
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._out = transport

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while b"\r\n\r\n" in self._rest:
            head, _, rest = self._rest.partition(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            if len(rest) < length:
                return
            self._rest = rest[length:]
            self._answer(head.startswith(b"GET"))

    def _answer(self, counters: bool) -> None:
        kind, body = "application/json", self._prediction
        if counters:
            age = time.monotonic() - self._born
            fails = self._fails(self._version)
            kind = "text/plain; version=0.0.4"
            body = page(self._model, self._version, age, fails=fails)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._out.write(head.encode() + body)
