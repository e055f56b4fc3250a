"""A receiver of traces over OTLP (HTTP), which decodes protobuf and JSON as collectors do."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclasses.dataclass(frozen=True)
class Received:
    """A span, with the attributes of its process."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    seconds: float
    attributes: dict[str, Any]
    events: tuple[tuple[str, dict[str, Any]], ...]
    process: dict[str, Any]


class Receiver:
    """The spans that arrived."""

    def __init__(self) -> None:
        self.url = ""
        self._lock = Lock()
        self._spans: list[Received] = []
        self._raw = b""

    def take(self, body: bytes, content_type: str) -> None:
        """Decode a request: of the transformer in protobuf, of Triton in JSON."""
        found = {"application/x-protobuf": _decoded, "application/json": _read}[content_type](body)
        with self._lock:
            self._spans += found
            self._raw += body

    @property
    def spans(self) -> list[Received]:
        """All spans."""
        with self._lock:
            return list(self._spans)

    @property
    def raw(self) -> bytes:
        """All bytes."""
        with self._lock:
            return self._raw


def _decoded(body: bytes) -> list[Received]:
    return [
        _received(span, group.resource)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _read(body: bytes) -> list[Received]:
    return [
        Received(
            span["name"],
            span["traceId"].lower(),
            span["spanId"].lower(),
            span.get("parentSpanId", "").lower(),
            span["kind"],
            span.get("status", {}).get("code") == 2,
            (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e9,
            {
                each["key"]: next(iter(each["value"].values()))
                for each in span.get("attributes", [])
            },
            (),
            {},
        )
        for group in json.loads(body)["resourceSpans"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]


def _received(span: Any, resource: Any) -> Received:
    return Received(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        span.status.code == 2,
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        _values(span.attributes),
        tuple((event.name, _values(event.attributes)) for event in span.events),
        _values(resource.attributes),
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value"))
        for each in attributes
        if each.value.WhichOneof("value")
    }


def _body(call: BaseHTTPRequestHandler) -> bytes:
    """The body of a request, which Go sends in compressed chunks."""
    if (length := call.headers["content-length"]) is not None:
        body = call.rfile.read(int(length))
    else:
        chunks = []
        while size := int(call.rfile.readline(), 16):
            chunks.append(call.rfile.read(size))
            call.rfile.readline()
        call.rfile.readline()
        body = b"".join(chunks)
    return gzip.decompress(body) if call.headers["content-encoding"] == "gzip" else body


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive on a free port."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = _body(self)
            assert self.path == "/v1/traces"
            receiver.take(body, self.headers["content-type"])
            self.send_response(200)
            self.send_header("content-type", self.headers["content-type"])
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
