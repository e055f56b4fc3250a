"""Triton over gRPC, by the open inference protocol."""

from __future__ import annotations

import asyncio
import itertools
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from recommender_serving.domain.types import FallReason, Metadata, RankerError, Ranking
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.triton.inputs import Tensors

ITEMS = "item_ids__0"
SCORES = "scores__1"
READY_TIMEOUT = 1.0
BROKEN = grpc.ChannelConnectivity.TRANSIENT_FAILURE
CHANNEL_OPTIONS = (
    # Reconnect to a restarted Triton within a second, instead of gRPC's default of two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Detect a peer that disappeared without closing the connection.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Use no proxy between the pods of a version.
    ("grpc.enable_http_proxy", 0),
    # Channels to the same address would share one connection, and so one Triton of several.
    ("grpc.use_local_subchannel_pool", 1),
)
#: A Service assigns a Triton to a connection, not to a call. Several connections spread the
#: calls, and one Triton that is lost takes only its connections along.
CHANNELS = 4
#: Tries of a call that lost its Triton. An inference changes nothing, so it may be repeated; but
#: not more than once, because the call itself may be what ends each Triton that it reaches.
TRIES = 2


#: Least age of a connection, in seconds, at which a lost call replaces it by a new one.
LEAST_AGE = 1.0
#: Seconds that calls in flight on a replaced connection have to end.
GRACE = 10.0


class Stub:
    """The two methods that are called, over one channel."""

    def __init__(self, endpoint: str) -> None:
        self.born = time.monotonic()
        self._channel = grpc.aio.insecure_channel(endpoint, options=CHANNEL_OPTIONS)
        self.infer = self._method("ModelInfer", pb.ModelInferRequest, pb.ModelInferResponse)
        self.ready = self._method("ModelReady", pb.ModelReadyRequest, pb.ModelReadyResponse)

    def _method(self, name: str, request: Any, response: Any) -> Any:
        path = f"/inference.GRPCInferenceService/{name}"
        return self._channel.unary_unary(path, request.SerializeToString, response.FromString)

    @property
    def broken(self) -> bool:
        """Whether the last connection failed and the next is not tried yet."""
        return bool(self._channel.get_state(try_to_connect=True) is BROKEN)

    async def close(self, grace: float | None = None) -> None:
        """Close the channel; calls in flight have `grace` seconds to end."""
        await self._channel.close(grace)


class Triton:
    """Channels to one or several Tritons behind an address.

    Create and close it in the running event loop.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._stubs = [Stub(endpoint) for _ in range(CHANNELS)]
        self._turns = itertools.cycle(range(CHANNELS))
        self._closing: set[asyncio.Task[None]] = set()

    def _stub(self) -> Stub:
        """Return the stub of the next channel that is not known to be broken, else of the next."""
        turn = next(self._turns)
        for _ in range(CHANNELS - 1):
            if not self._stubs[turn].broken:
                break
            turn = next(self._turns)
        return self._stubs[turn]

    def _replace(self, lost: Stub) -> None:
        """Connect again: a Triton that shuts down keeps its connections, but refuses calls.

        The Service no longer leads to it. While all Tritons are gone, the channel's own backoff
        is better than a new channel for each call.
        """
        if lost not in self._stubs or time.monotonic() - lost.born < LEAST_AGE:
            return
        self._stubs[self._stubs.index(lost)] = Stub(self._endpoint)
        task = asyncio.create_task(lost.close(GRACE))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def ready(self, models: Sequence[str]) -> bool:
        """Return whether Triton reports all these models ready; False if it is unreachable."""
        calls = [
            self._stub().ready(pb.ModelReadyRequest(name=name), timeout=READY_TIMEOUT)
            for name in models
        ]
        try:
            return all(answer.ready for answer in await asyncio.gather(*calls))
        except grpc.aio.AioRpcError:
            return False

    async def infer(
        self, model: str, tensors: Tensors, timeout: float, metadata: Metadata = ()
    ) -> Any:
        """Call a model and return the ModelInferResponse.

        A call that lost its Triton is repeated over another connection, within `timeout` seconds
        in total.

        Raises:
            RankerError: timeout or error.
        """
        request = pb.ModelInferRequest(
            model_name=model,
            inputs=[
                pb.ModelInferRequest.InferInputTensor(
                    name=tensor.name, datatype=tensor.datatype, shape=tensor.shape
                )
                for tensor in tensors
            ],
            raw_input_contents=[tensor.data for tensor in tensors],
        )
        ends = time.monotonic() + timeout
        for left in reversed(range(TRIES)):
            stub = self._stub()
            try:
                within = max(0.0, ends - time.monotonic())
                return await stub.infer(request, timeout=within, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    self._replace(stub)
                    if left:
                        continue
                late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
                reason = FallReason.TIMEOUT if late else FallReason.ERROR
                raise RankerError(reason, f"{error.code().name}: {error.details()}") from error
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """Close the channels; calls in flight end with an error."""
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*(stub.close() for stub in self._stubs))


class TritonRanker:
    """One Triton model as a `Ranker`."""

    def __init__(
        self, triton: Triton, model: str, metadata: Callable[[], Metadata] = tuple
    ) -> None:
        """Create a ranker that calls `model` with the metadata of the moment."""
        self._triton = triton
        self._model = model
        self._metadata = metadata

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:  # noqa: ARG002
        """Rank with the model; `top_n` is among the tensors."""
        answer = await self._triton.infer(self._model, tensors, timeout, self._metadata())
        return decode(answer)


def decode(response: Any) -> Ranking:
    """Read the two outputs of a ModelInferResponse for one instance: pure.

    Raises:
        RankerError: shape, if an output is missing or is not INT64 or FP32 [1, n].
    """
    return Ranking(
        items=_values(response, ITEMS, "INT64", "q", 8),
        scores=_values(response, SCORES, "FP32", "f", 4),
    )


def _values(response: Any, name: str, datatype: str, code: str, width: int) -> tuple[Any, ...]:
    outputs = list(response.outputs)
    index = next((i for i, output in enumerate(outputs) if output.name == name), None)
    if index is None:
        raise RankerError(FallReason.SHAPE, f"no output {name}")
    shape = list(outputs[index].shape)
    if outputs[index].datatype != datatype or len(shape) != 2 or shape[0] != 1:
        raise RankerError(FallReason.SHAPE, f"{name} is {outputs[index].datatype} {shape}")
    raw = response.raw_output_contents
    if index >= len(raw) or len(raw[index]) != width * shape[1]:
        raise RankerError(FallReason.SHAPE, f"the size of {name} does not match its shape {shape}")
    return struct.unpack(f"<{shape[1]}{code}", raw[index])
