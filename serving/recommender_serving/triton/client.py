"""Triton over gRPC, by the open inference protocol."""

from __future__ import annotations

import asyncio
import itertools
import struct
import time
from collections.abc import Sequence
from typing import Any

import grpc

from recommender_serving.domain.types import FallReason, RankerError, Ranking
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


class Stub:
    """The two methods that are called, over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self.infer = self._method("ModelInfer", pb.ModelInferRequest, pb.ModelInferResponse)
        self.ready = self._method("ModelReady", pb.ModelReadyRequest, pb.ModelReadyResponse)

    def _method(self, name: str, request: Any, response: Any) -> Any:
        path = f"/inference.GRPCInferenceService/{name}"
        return self._channel.unary_unary(path, request.SerializeToString, response.FromString)

    @property
    def broken(self) -> bool:
        """Whether the last connection failed and the next is not tried yet."""
        return bool(self._channel.get_state(try_to_connect=True) is BROKEN)


class Triton:
    """Channels to one or several Tritons behind an address.

    Create and close it in the running event loop.
    """

    def __init__(self, endpoint: str) -> None:
        self._channels = [
            grpc.aio.insecure_channel(endpoint, options=CHANNEL_OPTIONS) for _ in range(CHANNELS)
        ]
        self._turns = itertools.cycle([Stub(channel) for channel in self._channels])

    def _stub(self) -> Stub:
        """Return the stub of the next channel that is not known to be broken, else of the next."""
        stub = next(self._turns)
        for _ in range(CHANNELS - 1):
            if not stub.broken:
                break
            stub = next(self._turns)
        return stub

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

    async def infer(self, model: str, tensors: Tensors, timeout: float) -> Any:
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
            try:
                within = max(0.0, ends - time.monotonic())
                return await self._stub().infer(request, timeout=within)
            except grpc.aio.AioRpcError as error:
                if left and error.code() is grpc.StatusCode.UNAVAILABLE:
                    continue
                late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
                reason = FallReason.TIMEOUT if late else FallReason.ERROR
                raise RankerError(reason, f"{error.code().name}: {error.details()}") from error
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """Close the channels; calls in flight end with an error."""
        await asyncio.gather(*(channel.close() for channel in self._channels))


class TritonRanker:
    """One Triton model as a `Ranker`."""

    def __init__(self, triton: Triton, model: str) -> None:
        self._triton = triton
        self._model = model

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:  # noqa: ARG002
        """Rank with the model; `top_n` is among the tensors."""
        return decode(await self._triton.infer(self._model, tensors, timeout))


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
