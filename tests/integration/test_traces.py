"""Traces of a transformer, its store and a real Triton, as a receiver of OTLP sees them."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import grpc
import pytest

from recommender_serving.inference import inference_pb2 as pb
from tests import redis_server
from tests.cluster.triton import run_triton
from tests.integration import traefik_server
from tests.integration.otlp_receiver import Received, Receiver, receiving
from tests.integration.toy_models import BREAKS
from tests.integration.traefik_server import Gateway
from tests.integration.transformer_calls import PREDICT
from tests.integration.transformer_rig import VERSION, Running, run_transformer, write_artifact

pytestmark = pytest.mark.integration
SERVER, CLIENT = 2, 3
NAME, GATEWAY = "service.name", "traefik"
USER = 987_654_321
TRACES = itertools.count(1)
NOT_SAMPLED = 10_000
SPAN = "00f067aa0ba902b7"

Spans = dict[str, Received]
Found = TypeVar("Found")


def traceparent(trace: int, sampled: bool = True) -> str:
    return f"00-{trace:032x}-{SPAN}-0{int(sampled)}"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def running(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("traces")
    write_artifact(folder / "artifact")
    flags = [
        f"--trace-config={setting}"
        for setting in (
            "mode=opentelemetry", "rate=1", "level=TIMESTAMPS",
            f"opentelemetry,url={receiver.url}/v1/traces",
            "opentelemetry,bsp_schedule_delay=200",
        )
    ]  # fmt: skip
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_TRACES_SAMPLER_ARG": "0",  # only what a client's trace has
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    with (
        redis_server.running(folder) as store,
        run_triton(folder / "artifact" / "repository", *flags) as triton,
        run_transformer(
            folder / "artifact", triton.grpc_url, folder / "log",
            environ={**environ, "RECOMMENDER_STORE_URL": store.url},
        ) as process,
    ):  # fmt: skip
        yield process


@pytest.fixture(scope="module")
def gateway(
    running: Running, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with traefik_server.running(folder, running.http, running.grpc, receiver.url) as found:
        yield found


def ask(to: Running | Gateway, user: int, header: str | None, id_: str = "page-7") -> None:
    headers = {"x-request-id": id_, **({"traceparent": header} if header else {})}
    body = json.dumps({"instances": [{"user_id": user}]}).encode()
    call = urllib.request.Request(to.http + PREDICT, body, headers)
    urllib.request.urlopen(call, timeout=60).close()


def until(
    receiver: Receiver, what: str, find: Callable[[list[Received]], Found | None], seconds: float
) -> Found:
    """Return what is found among the spans that arrived, as soon as it is; else TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := find(receiver.spans)) is not None:
            return found
        time.sleep(0.1)
    raise TimeoutError(f"no {what} among {receiver.spans[-20:]}")


def spans_of(receiver: Receiver, trace: int, *names: str, seconds: float = 60) -> Spans:
    """Return the spans of a trace by name, as soon as these have arrived."""

    def find(spans: list[Received]) -> Spans | None:
        found = {span.name: span for span in spans if span.trace == f"{trace:032x}"}
        return found if set(names) <= set(found) else None

    return until(receiver, f"{names} of trace {trace}", find, seconds)


def until_one(receiver: Receiver, id_: str) -> Received:
    """Return the span of the call with this request id, as soon as it has arrived."""

    def find(spans: list[Received]) -> Received | None:
        of = (each for each in spans if each.attributes.get("recommender.request_id") == id_)
        return next(of, None)

    return until(receiver, f"span of the request {id_}", find, seconds=15)


def until_complete(receiver: Receiver, span: Received, beginning: str) -> list[Received]:
    """Return all spans of a trace, as soon as they lead from this one to its beginning."""

    def find(spans: list[Received]) -> list[Received] | None:
        found = [each for each in spans if each.trace == span.trace]
        return found if is_below(span, beginning, found) else None

    return until(receiver, f"beginning of the trace {span.trace}", find, seconds=15)


def until_exported(of_a_new_trace: Callable[[], Found]) -> Found:
    """Return the spans of a new trace, of which none was lost.

    Triton and the Gateway do not send again what they could not send in time, as on a busy
    machine. Each try therefore asks anew.

    Raises:
        TimeoutError: three traces had no such spans.
    """
    for left in reversed(range(3)):
        with contextlib.suppress(*([TimeoutError] if left else [])):
            return of_a_new_trace()
    raise AssertionError("the last try returns or raises")


def spans_into_triton(receiver: Receiver, ask: Callable[[str], None]) -> Spans:
    """Ask with a new trace until one has spans of Triton."""

    def found() -> Spans:
        trace = next(TRACES)
        ask(traceparent(trace))
        return spans_of(receiver, trace, "recommend", "model", "InferRequest", seconds=15)

    return until_exported(found)


def test_a_trace_leads_from_the_client_through_store_and_model_into_triton(
    running: Running, receiver: Receiver
) -> None:
    found = spans_into_triton(receiver, lambda header: ask(running, USER, header))
    request, store, model = (found[name] for name in ("recommend", "store", "model"))
    assert (request.parent, request.kind) == (SPAN, SERVER)
    assert (store.parent, store.kind) == (request.id, CLIENT)
    assert model.parent == request.id
    assert found["InferRequest"].parent == model.id
    assert request.process["service.version"] == VERSION
    assert request.attributes["recommender.request_id"] == "page-7"
    assert request.attributes["recommender.sources"] == "model"
    assert request.attributes["recommender.protocol"] == "v1"
    assert 0 < model.seconds <= request.seconds
    assert not request.failed


def is_below(span: Received, above: str, of: Sequence[Received]) -> bool:
    """Whether a span is in the chain of parents that leads to the one with this id."""
    parents = {each.id: each.parent for each in of}
    parent = span.parent
    while parent in parents and parent != above:
        parent = parents[parent]
    return parent == above


def test_a_trace_of_a_client_leads_through_the_gateway(
    gateway: Gateway, receiver: Receiver
) -> None:
    def traced() -> tuple[Spans, list[Received]]:
        found = spans_into_triton(receiver, lambda header: ask(gateway, USER, header))
        return found, until_complete(receiver, found["recommend"], SPAN)

    found, spans = until_exported(traced)
    request = found["recommend"]
    of_gateway = [each for each in spans if each.process.get(NAME) == GATEWAY]
    assert request.parent in {each.id for each in of_gateway}
    assert is_below(request, SPAN, spans)
    assert is_below(found["InferRequest"], request.id, spans)


def test_the_gateway_begins_the_trace_of_a_client_that_has_none(
    gateway: Gateway, receiver: Receiver
) -> None:
    ids = map("without-a-trace-{}".format, itertools.count())

    def traced() -> tuple[Received, list[Received]]:
        ask(gateway, USER, None, id_ := next(ids))
        request = until_one(receiver, id_)
        return request, until_complete(receiver, request, "")

    request, spans = until_exported(traced)
    (first,) = [each for each in spans if not each.parent]
    assert (first.process[NAME], first.kind) == (GATEWAY, SERVER)
    assert is_below(request, first.id, spans)
    assert {"store", "model"} <= {each.name for each in spans}


def test_a_fallback_is_an_event_of_its_request_and_its_model_failed(
    running: Running, receiver: Receiver
) -> None:
    trace = next(TRACES)
    ask(running, BREAKS, traceparent(trace))
    found = spans_of(receiver, trace, "recommend", "model", "baseline")
    fall = {"recommender.source": "model", "recommender.reason": "error"}
    assert found["recommend"].events == (("fallback", fall),)
    assert found["recommend"].attributes["recommender.sources"] == "baseline"
    assert found["model"].failed
    assert found["model"].attributes["error.type"] == "error"
    assert not found["baseline"].failed


def test_grpc_has_traces_too(running: Running, receiver: Receiver) -> None:
    message = pb.ModelInferRequest(
        model_name="recommender",
        inputs=[
            pb.ModelInferRequest.InferInputTensor(
                name="user_id",
                datatype="INT64",
                shape=[1],
                contents=pb.InferTensorContents(int64_contents=[1]),
            )
        ],
    )
    with grpc.insecure_channel(running.grpc) as channel:
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            pb.ModelInferRequest.SerializeToString,
            pb.ModelInferResponse.FromString,
        )
        found = spans_into_triton(
            receiver,
            lambda header: infer(message, metadata=(("traceparent", header),), timeout=60),
        )
    assert found["recommend"].attributes["recommender.protocol"] == "grpc"
    assert found["InferRequest"].parent == found["model"].id


def test_what_a_client_does_not_sample_is_not_exported_and_no_span_has_a_user(
    running: Running, receiver: Receiver
) -> None:
    ask(running, USER, None)
    ask(running, USER, traceparent(NOT_SAMPLED, sampled=False))
    trace = next(TRACES)
    ask(running, USER, traceparent(trace))
    spans_of(receiver, trace, "recommend", "model")
    # Spans of the Gateway may arrive later, or never; what it begins has one of them as parent.
    ours = [each for each in receiver.spans if each.name in ("recommend", "store", "model")]
    assert all(span.parent for span in ours)
    assert f"{NOT_SAMPLED:032x}" not in {span.trace for span in ours}
    assert str(USER).encode() not in receiver.raw


def test_the_line_of_a_call_has_the_trace(running: Running, receiver: Receiver) -> None:
    trace = next(TRACES)
    ask(running, BREAKS, traceparent(trace))
    spans_of(receiver, trace, "recommend")
    lines = map(json.loads, running.log.read_text().splitlines())
    assert f"{trace:032x}" in {line.get("trace_id") for line in lines}


def test_without_a_receiver_requests_are_answered_and_the_process_ends_in_time(
    tmp_path: Path,
) -> None:
    write_artifact(tmp_path / "artifact")
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    flags = ("--model-wait-seconds", "0")
    with run_transformer(
        tmp_path / "artifact", "127.0.0.1:1", tmp_path / "log", *flags, environ=environ
    ) as process:
        for _ in range(100):
            assert process.ask(user_id=1)["source"] == "popularity"
        assert process.stop(20) == 0
