"""What the answers of a collector mean, over a real socket."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from recommender_serving.impressions.collector_client import (
    CollectorBusy,
    CollectorRefuses,
    Receipt,
    post,
)

#: The headers with which somebody said who it is.
SEEN: list[str | None] = []


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[tuple[str, list[Any]]]:
    """A server that gives this answer; its URL, and what it got."""
    got: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["content-length"])
            SEEN.append(self.headers["authorization"])
            got.append((self.path, self.headers["content-type"], self.rfile.read(size)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got
        thread.join(60)


def told(accepted: int, repeated: int, *errors: str) -> bytes:
    rejected = [{"index": 0, "id": "e", "field": "f", "error": error} for error in errors]
    content = {"accepted": accepted, "repeated": repeated, "rejected": rejected}
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("status", "body", "receipt"),
    [
        (200, told(2, 1), Receipt(3, 0)),
        (207, told(2, 0, "item: wrong"), Receipt(2, 1, "item: wrong")),
        (400, told(0, 0, "item: wrong"), Receipt(0, 1, "item: wrong")),
    ],
)
def test_receipts_are_read(status: int, body: bytes, receipt: Receipt) -> None:
    with answering(status, body) as (url, got):
        assert post(url, "application/x", b"[]") == receipt
    assert got == [("/v1/events", "application/x", b"[]")]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_another_attempt_may_help(status: int) -> None:
    with (
        answering(status, b'{"error":"full"}', retry_after="3") as (url, _),
        pytest.raises(CollectorBusy, match="full") as busy,
    ):
        post(url, "application/x", b"[]")
    assert busy.value.seconds == 3


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, b'{"error":"not JSON"}'), (404, b"nothing"), (413, b'{"error":"large"}'), (200, b"[]")],
)
def test_a_refusal_says_what_was_answered(status: int, body: bytes) -> None:
    with (
        answering(status, body) as (url, _),
        pytest.raises(CollectorRefuses, match=f"status {status}"),
    ):
        post(url, "application/x", b"[]")


def test_the_first_key_now_says_who_sends() -> None:
    SEEN.clear()
    with answering(200, told(1, 0)) as (url, _), answering(200, told(1, 0)) as (other, __):
        post(url, "application/json", b"{}", lambda: (b"the-newest-key", b"the-former"))
        post(other, "application/json", b"{}")
    assert [SEEN.pop(0), SEEN.pop(0)] == ["Bearer the-newest-key", None]


def test_a_collector_that_is_gone_is_busy() -> None:
    with pytest.raises(CollectorBusy, match="ConnectionRefusedError"):
        post("http://127.0.0.1:9", "application/x", b"[]")
