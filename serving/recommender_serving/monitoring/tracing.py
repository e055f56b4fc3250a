"""Traces of a request beyond this process: their port, and the W3C header."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import Protocol

from recommender_contract.events import Source
from recommender_serving.domain.types import FallReason, Metadata, Waited
from recommender_serving.monitoring import call_record
from recommender_serving.monitoring.call_record import Call

TRACE_HEADER = "traceparent"  # https://www.w3.org/TR/trace-context/
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent_of(given: str | None) -> str | None:
    """Return a client's traceparent; None if it is none."""
    return given if given and _TRACEPARENT.fullmatch(given) else None


def client_trace() -> Metadata:
    """Return the metadata that joins a call of Triton to the trace of the client."""
    call = call_record.current()
    return ((TRACE_HEADER, call.traceparent),) if call and call.traceparent else ()


class Tracing(Protocol):
    """Spans of a request and of what it waits for."""

    def request(self, call: Call) -> AbstractContextManager[None]:
        """Follow a call, as a part of its client's trace if it has one."""
        ...

    def stage(self, stage: Waited) -> AbstractContextManager[None]:
        """Follow one call of a stage."""
        ...

    def fell(self, source: Source, reason: FallReason) -> None:
        """Note a fall from a model."""
        ...

    def metadata(self) -> Metadata:
        """Return the metadata that joins a call of Triton to the current span."""
        ...

    def close(self) -> None:
        """Export what is left; blocks for a few seconds at most."""
        ...
