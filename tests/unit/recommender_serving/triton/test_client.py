"""The adapter speaks the inference protocol and gives every failure its reason."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from recommender_serving.domain.types import FallReason, RankerError, Ranking
from recommender_serving.inference import channels
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.inference.channels import CHANNELS
from recommender_serving.triton.client import ITEMS, SCORES, Triton, TritonRanker, decode
from recommender_serving.triton.inputs import Tensors, build_tensors
from tests.fakes.inference import service
from tests.unit.recommender_serving.serving_samples import request, sample_artifact, session


def response(
    items: tuple[int, ...] = (3, 4), scores: tuple[float, ...] = (0.5, 0.25), **changes: Any
) -> Any:
    """What Triton sends for one instance; changes break it."""
    outputs = [
        {"name": ITEMS, "datatype": "INT64", "shape": [1, len(items)]},
        {"name": SCORES, "datatype": "FP32", "shape": [1, len(scores)]},
    ]
    outputs[0] |= changes
    return pb.ModelInferResponse(
        outputs=outputs,
        raw_output_contents=[
            struct.pack(f"<{len(items)}q", *items),
            struct.pack(f"<{len(scores)}f", *scores),
        ],
    )


def test_outputs_are_found_by_name_in_any_order() -> None:
    usual = response()
    turned = pb.ModelInferResponse(
        outputs=list(usual.outputs)[::-1], raw_output_contents=usual.raw_output_contents[::-1]
    )
    assert decode(usual) == decode(turned) == Ranking((3, 4), (0.5, 0.25))


def test_an_answer_without_items_is_decoded_as_empty() -> None:
    assert decode(response((), ())) == Ranking((), ())


@pytest.mark.parametrize(
    "broken",
    [
        response(name="ids"),
        response(datatype="INT32"),
        response(shape=[2]),
        response(shape=[2, 1]),
        response(shape=[1, 3]),
        response(shape=[1, 2, 1]),
        pb.ModelInferResponse(),
        pb.ModelInferResponse(outputs=response().outputs),
    ],
)
def test_an_output_of_another_shape_is_refused(broken: Any) -> None:
    with pytest.raises(RankerError) as fall:
        decode(broken)
    assert fall.value.reason is FallReason.SHAPE


class Server:
    """Gives a fixed answer; keeps the last request."""

    def __init__(self) -> None:
        self.ready = {"recommender": True, "baseline": True}
        self.answer: Callable[[], Any] = response
        self.hold = asyncio.Event()
        self.hold.set()
        self.last: Any = None
        #: Number of next calls that fail as if no Triton were there.
        self.missed = 0
        self.peers: list[str] = []

    async def model_ready(self, asked: Any, context: Any) -> Any:
        return pb.ModelReadyResponse(ready=self.ready[asked.name])

    async def model_infer(self, asked: Any, context: Any) -> Any:
        self.last = asked
        self.peers.append(context.peer())
        if self.missed:
            self.missed -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection was lost")
        await self.hold.wait()
        return self.answer()


class Running:
    """A server that can be stopped and started again on its port."""

    def __init__(self) -> None:
        self.service = Server()
        self.port = 0
        self._server: Any = None

    async def start(self) -> None:
        methods = {"ModelReady": self.service.model_ready, "ModelInfer": self.service.model_infer}
        self._server = grpc.aio.server(
            handlers=[service(**methods)], options=[("grpc.so_reuseport", 0)]
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    running = Running()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def triton(running: Running) -> AsyncIterator[Triton]:
    client = Triton(f"127.0.0.1:{running.port}")
    yield client
    await client.close()


@pytest.fixture
def tensors(tmp_path: Path) -> Tensors:
    return build_tensors(request(session=session(5, 6)), sample_artifact(tmp_path).vocabulary)


async def reason_of(triton: Triton, tensors: Tensors, timeout: float = 5.0) -> FallReason | None:
    try:
        await TritonRanker(triton, "recommender").rank(tensors, 2, timeout)
    except RankerError as fall:
        return fall.reason
    return None


async def test_the_request_carries_the_tensors_raw(
    running: Running, triton: Triton, tensors: Tensors
) -> None:
    ranking = await TritonRanker(triton, "recommender").rank(tensors, 2, 5.0)
    assert ranking == Ranking((3, 4), (0.5, 0.25))
    sent = running.service.last
    assert sent.model_name == "recommender"
    found = [(each.name, each.datatype, tuple(each.shape)) for each in sent.inputs]
    assert found == [(each.name, each.datatype, each.shape) for each in tensors]
    assert list(sent.raw_input_contents) == [each.data for each in tensors]


async def test_a_late_server_is_a_timeout(
    running: Running, triton: Triton, tensors: Tensors
) -> None:
    running.service.hold.clear()
    assert await reason_of(triton, tensors, 0.05) is FallReason.TIMEOUT
    running.service.hold.set()


async def test_a_server_that_fails_is_an_error(
    running: Running, triton: Triton, tensors: Tensors
) -> None:
    def fail() -> Any:
        raise RuntimeError("the model broke")

    running.service.answer = fail
    assert await reason_of(triton, tensors) is FallReason.ERROR


async def test_a_call_that_was_lost_is_repeated_once_over_another_connection(
    running: Running, triton: Triton, tensors: Tensors
) -> None:
    running.service.missed = 1
    assert await reason_of(triton, tensors) is None
    assert len(set(running.service.peers)) == 2
    running.service.missed = 2
    assert await reason_of(triton, tensors) is FallReason.ERROR
    assert len(running.service.peers) == 4


async def test_a_triton_that_refuses_calls_is_left_for_a_new_connection(
    running: Running, triton: Triton, tensors: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(CHANNELS):
        assert await reason_of(triton, tensors) is None
    known = set(running.service.peers)
    running.service.missed = 1
    assert await reason_of(triton, tensors) is None
    assert set(running.service.peers) == known, "a young connection is kept"
    monkeypatch.setattr(channels, "LEAST_AGE", 0.0)
    running.service.missed = 1
    for _ in range(2 * CHANNELS):
        assert await reason_of(triton, tensors) is None
    assert len(set(running.service.peers) - known) == 1


class Elsewhere:
    """An address whose first connections lead to a server that knows no models, and stay there."""

    def __init__(self, port: int) -> None:
        self._right = port
        self.wrong = 0
        self.connections = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        port = self._right if self.connections > CHANNELS else self.wrong
        there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(self._pipe(reader, there[1]), self._pipe(there[0], writer))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65_536):
                writer.write(part)
        writer.close()


async def test_connections_that_lead_elsewhere_are_left_one_by_one(
    running: Running, tensors: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "LEAST_AGE", 0.0)
    other = grpc.aio.server()
    elsewhere = Elsewhere(running.port)
    elsewhere.wrong = other.add_insecure_port("127.0.0.1:0")
    await other.start()
    door = await asyncio.start_server(elsewhere.accept, "127.0.0.1", 0)
    client = Triton(f"127.0.0.1:{door.sockets[0].getsockname()[1]}")
    assert not await client.ready(["recommender", "baseline"])
    for _ in range(CHANNELS):
        await reason_of(client, tensors)
    for _ in range(3 * CHANNELS):
        assert await reason_of(client, tensors) is None
        assert await client.ready(["recommender", "baseline"])
    assert elsewhere.connections == 2 * CHANNELS, "each was replaced once"
    await client.close()
    door.close()
    await other.stop(None)


async def test_calls_are_spread_over_all_connections(
    running: Running, triton: Triton, tensors: Tensors
) -> None:
    for _ in range(2 * CHANNELS):
        assert await reason_of(triton, tensors) is None
    assert len(set(running.service.peers)) == CHANNELS


async def test_a_server_that_went_and_came_back_is_used_again(
    running: Running, triton: Triton, tensors: Tensors
) -> None:
    assert await reason_of(triton, tensors) is None
    await running.stop()
    assert await reason_of(triton, tensors) is FallReason.ERROR
    assert not await triton.ready(["recommender"])
    await running.start()
    async with asyncio.timeout(60):
        while await reason_of(triton, tensors) is not None:
            await asyncio.sleep(0.01)
    assert await triton.ready(["recommender", "baseline"])


async def test_ready_means_that_every_model_is(running: Running, triton: Triton) -> None:
    assert await triton.ready(["recommender", "baseline"])
    running.service.ready["baseline"] = False
    assert not await triton.ready(["recommender", "baseline"])
