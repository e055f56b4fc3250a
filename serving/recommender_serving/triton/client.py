"""Triton over gRPC, by the open inference protocol."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from recommender_serving.domain.types import FallReason, Metadata, RankerError, Ranking
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.inference.channels import Channels
from recommender_serving.triton.inputs import Tensors

ITEMS = "item_ids__0"
SCORES = "scores__1"
READY_TIMEOUT = 1.0


class Triton:
    """One or several Tritons behind an address.

    Create and close it in the running event loop.
    """

    def __init__(self, endpoint: str) -> None:
        self._channels = Channels(endpoint)

    async def ready(self, models: Sequence[str]) -> bool:
        """Return whether Triton reports all these models ready; False if it is unreachable."""
        calls = [self._channels.ready(name, READY_TIMEOUT) for name in models]
        try:
            return all(await asyncio.gather(*calls))
        except grpc.aio.AioRpcError:
            return False

    async def infer(
        self, model: str, tensors: Tensors, timeout: float, metadata: Metadata = ()
    ) -> Any:
        """Call a model within `timeout` seconds and return the ModelInferResponse.

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
        try:
            return await self._channels.infer(request, timeout, metadata)
        except grpc.aio.AioRpcError as error:
            late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            reason = FallReason.TIMEOUT if late else FallReason.ERROR
            raise RankerError(reason, f"{error.code().name}: {error.details()}") from error

    async def close(self) -> None:
        """Close the channels; calls in flight end with an error."""
        await self._channels.close()


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
