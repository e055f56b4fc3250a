"""A Triton that does no work, to measure the transformer's own time.

`python -m tests.benchmarks.transformer_stub PORT`: the inference protocol over gRPC, ten items
for every request. It runs in a separate process, since KServe and tritonclient cannot share one.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from typing import Any

import grpc
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as services

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


class Stub(services.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Always ready, and answers at once."""

    async def ModelReady(self, request: Any, context: Any) -> Any:
        return pb.ModelReadyResponse(ready=True)

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        return ANSWER


async def serve(port: int) -> None:
    """Serve until the process ends."""
    server = grpc.aio.server()
    services.add_GRPCInferenceServiceServicer_to_server(Stub(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
