"""A Triton that does no work, to measure the transformer's own time.

`python -m lab.benchmarks.transformer_stub PORT`: the inference protocol over gRPC, ten items
for every request.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from typing import Any

import grpc

from recommender_serving.inference import inference_pb2 as pb
from tests.fakes.inference import service

COUNT = 10
ANSWER = pb.ModelInferResponse(
    outputs=[
        {"name": "item_ids__0", "datatype": "INT64", "shape": [1, COUNT]},
        {"name": "scores__1", "datatype": "FP32", "shape": [1, COUNT]},
    ],
    raw_output_contents=[
        struct.pack(f"<{COUNT}q", *range(COUNT)),
        struct.pack(f"<{COUNT}f", *(1 / (2 + i) for i in range(COUNT))),
    ],
)


async def ready(_: Any, __: Any) -> Any:
    return pb.ModelReadyResponse(ready=True)


async def infer(_: Any, __: Any) -> Any:
    return ANSWER


async def serve(port: int) -> None:
    """Serve until the process ends."""
    handler = service(ModelReady=ready, ModelInfer=infer)
    server = grpc.aio.server(handlers=[handler])
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
