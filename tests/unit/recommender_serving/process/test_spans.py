"""Spans of requests: one trace with the client's, and nothing about users."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from recommender_contract.events import Source
from recommender_serving.domain.types import FallReason, RankerError, Waited
from recommender_serving.monitoring import call_record, tracing
from recommender_serving.monitoring.call_record import Call
from recommender_serving.pipeline.call_log import CallLog
from recommender_serving.process import components
from recommender_serving.process.settings import ServeSettings
from recommender_serving.process.spans import OpenTelemetry
from recommender_serving.ranking.instrumented_calls import TracedRanker, TracedUsers
from recommender_serving.store.user_reader import User
from tests.unit.recommender_serving.serving_fakes import GOOD, failing, giving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"


class Exported:
    """Spans in memory."""

    def __init__(self, ratio: float = 0.0) -> None:
        self._spans = InMemorySpanExporter()
        self.traces = OpenTelemetry(self._spans, ratio, "movies", "movies-1")
        self.log = CallLog(tracing=self.traces)

    def spans(self) -> dict[str, ReadableSpan]:
        self.traces.close()
        return {span.name: span for span in self._spans.get_finished_spans()}


@pytest.fixture
def exported() -> Iterator[Exported]:
    made = Exported()
    yield made
    made.traces.close()


class Users:
    hides = True

    async def read(self, user: int) -> User:
        return User()


async def test_what_a_request_waits_for_is_below_it_in_the_trace_of_its_client(
    exported: Exported,
) -> None:
    model = TracedRanker(giving(GOOD), exported.traces, Waited.MODEL)
    with exported.log.call("v1", "page-7", SAMPLED) as call:
        call.asked(42)
        assert await TracedUsers(Users(), exported.traces).read(42) == User()
        assert await model.rank((), 1, 1.0) == GOOD
        call.answered(Source.MODEL)
    found = exported.spans()
    request = found["recommend"]
    assert request.parent is not None
    assert (request.parent.span_id, request.context.trace_id) == (int(PARENT, 16), int(TRACE, 16))
    for name in ("store", "model"):
        parent = found[name].parent
        assert parent is not None
        assert parent.span_id == request.context.span_id
    assert dict(request.attributes or {}) == {
        "recommender.version": "movies-1",
        "recommender.protocol": "v1",
        "recommender.request_id": "page-7",
        "recommender.instances": 1,
        "recommender.sources": "model",
    }
    assert call.trace_id == TRACE


async def test_a_fall_is_an_event_and_an_error_is_a_reason_without_its_text(
    exported: Exported,
) -> None:
    broken = failing(RankerError(FallReason.SHAPE, "the list of zoe"))
    with exported.log.call("v1", "", SAMPLED):
        with pytest.raises(RankerError):
            await TracedRanker(broken, exported.traces, Waited.MODEL).rank((), 1, 1.0)
        exported.traces.fell(Source.MODEL, FallReason.SHAPE)
    found = exported.spans()
    (event,) = found["recommend"].events
    assert event.name == "fallback"
    assert dict(event.attributes or {}) == {
        "recommender.source": "model",
        "recommender.reason": "shape",
    }
    assert (found["model"].attributes or {})["error.type"] == "shape"
    assert not found["model"].status.is_ok
    # No hexadecimal number of an id can be this name.
    assert all("zoe" not in span.to_json() for span in found.values())


@pytest.mark.parametrize("error", [KeyError("user 42"), asyncio.CancelledError()])
def test_a_request_that_fails_is_an_error_by_its_class(
    exported: Exported, error: BaseException
) -> None:
    with pytest.raises(type(error)), exported.log.call("v1", "", SAMPLED):
        raise error
    span = exported.spans()["recommend"]
    assert not span.status.is_ok
    assert (span.attributes or {})["error.type"] == type(error).__name__
    assert span.status.description is None
    assert span.events == ()


@pytest.mark.parametrize(
    ("ratio", "header", "exports"),
    [
        (0.0, SAMPLED, True),
        (1.0, SAMPLED[:-1] + "0", False),
        (1.0, None, True),
        (0.0, None, False),
        (1.0, "nonsense", True),
    ],
)
def test_a_client_decides_for_its_trace_and_the_ratio_for_others(
    ratio: float, header: str | None, exports: bool
) -> None:
    made = Exported(ratio)
    with made.log.call("v1", "", header):
        pass
    assert bool(made.spans()) is exports


def test_a_call_of_triton_carries_the_current_span_or_else_the_trace_of_the_client(
    exported: Exported,
) -> None:
    assert exported.traces.metadata() == ()
    with exported.log.call("v1", "", SAMPLED), exported.traces.stage(Waited.MODEL):
        ((name, value),) = exported.traces.metadata()
    model = exported.spans()["model"].context
    assert (name, value) == ("traceparent", f"00-{TRACE}-{model.span_id:016x}-01")
    assert tracing.client_trace() == ()
    with CallLog().call("v1", "", SAMPLED):
        assert tracing.client_trace() == (("traceparent", SAMPLED),)
    with call_record.entered(Call("v1")):
        assert tracing.client_trace() == ()


def settings(folder: Path, endpoint: str | None) -> ServeSettings:
    return ServeSettings(
        artifact=folder, predictor="localhost:1", http_port=1, grpc_port=2, model="movies",
        version="movies-1", timeout_ms=100, trace_endpoint=endpoint,
    )  # fmt: skip


def test_nothing_is_exported_without_a_receiver(tmp_path: Path) -> None:
    assert components.build_tracing(settings(tmp_path, None)) is None


def test_a_missing_package_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "recommender_serving.process.spans"
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delattr(name)
    with pytest.raises(RuntimeError, match=r"is missing: install recommender-operator\[tracing\]"):
        components.build_tracing(settings(tmp_path, "http://collector:4318"))
