"""Traces by OpenTelemetry, exported over OTLP; imported only if an endpoint is set."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from recommender_contract.events import Source
from recommender_serving.domain.types import FallReason, Metadata, RankerError, Waited
from recommender_serving.monitoring.call_record import Call
from recommender_serving.monitoring.tracing import TRACE_HEADER, client_trace

SERVICE = "recommender-transformer"
EXPORT_SECONDS = 2.0  # of one attempt, and so about the time that a shutdown waits
MAX_SPANS = 2048  # that wait for their export; more are dropped
MAX_ATTRIBUTE = 256  # characters
LIMITS = SpanLimits(max_span_attribute_length=MAX_ATTRIBUTE, max_events=64)


def exporter(endpoint: str) -> SpanExporter:
    """Return an exporter to the base URL of an OTLP receiver."""
    return OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)


class OpenTelemetry:
    """Spans of requests. No attribute has a user, an item, or the text of an error."""

    def __init__(self, spans: SpanExporter, ratio: float, model: str, version: str) -> None:
        """Sample a share `ratio` of the requests without a trace, else as their client did."""
        resource = Resource(
            {
                "service.name": SERVICE,
                "service.version": version,
                "recommender.model": model,
            }
        )
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # of the spans that are started at all
            resource=resource,
            shutdown_on_exit=False,
            span_limits=LIMITS,
        )
        self._provider.add_span_processor(BatchSpanProcessor(spans, max_queue_size=MAX_SPANS))
        self._tracer = self._provider.get_tracer("recommender_serving")
        self._header = TraceContextTextMapPropagator()
        self._version = version
        self._ratio = ratio

    @contextlib.contextmanager
    def request(self, call: Call) -> Iterator[None]:
        """Follow a call, as a part of its client's trace if it has one.

        Sampled here and not by the SDK, whose spans that nobody sees cost a tenth of a request.
        """
        if not self._sampled(call.traceparent):
            yield
            return
        parent = self._header.extract({TRACE_HEADER: call.traceparent} if call.traceparent else {})
        with self._span("recommend", SpanKind.SERVER, parent) as span:
            call.traceparent = _traceparent(span)  # what the log shows
            try:
                yield
            finally:
                span.set_attributes(self._attributes(call))

    def _sampled(self, traceparent: str | None) -> bool:
        """Return whether a request has a span: as its client says, else by the ratio."""
        if traceparent is not None:
            return bool(int(traceparent[-1], 16) & 1)
        return random.random() < self._ratio  # noqa: S311 - not a secret

    def _attributes(self, call: Call) -> dict[str, str | int]:
        return {
            "recommender.version": self._version,
            "recommender.protocol": call.protocol,
            "recommender.request_id": call.request_id,
            "recommender.instances": len(call.users),
            "recommender.sources": ",".join(sorted(call.sources)),
        }

    @contextlib.contextmanager
    def stage(self, stage: Waited) -> Iterator[None]:
        """Follow one call of a stage; of a request that is not sampled, for nothing."""
        if not trace.get_current_span().is_recording():
            yield
            return
        with self._span(stage.value, SpanKind.CLIENT, None):
            yield

    @contextlib.contextmanager
    def _span(self, name: str, kind: SpanKind, parent: Context | None) -> Iterator[Span]:
        """Make a span the current one; an error is its class, or the reason of a fall."""
        with self._tracer.start_as_current_span(
            name, parent, kind, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except (Exception, asyncio.CancelledError) as error:
                reason = error.reason if isinstance(error, RankerError) else type(error).__name__
                span.set_attribute("error.type", reason)
                span.set_status(Status(StatusCode.ERROR))
                raise

    def fell(self, source: Source, reason: FallReason) -> None:
        """Note a fall from a model."""
        attributes = {"recommender.source": source.value, "recommender.reason": reason.value}
        trace.get_current_span().add_event("fallback", attributes)

    def metadata(self) -> Metadata:
        """Return the metadata that joins a call of Triton to the current span."""
        span = trace.get_current_span()
        return ((TRACE_HEADER, _traceparent(span)),) if span.is_recording() else client_trace()

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
