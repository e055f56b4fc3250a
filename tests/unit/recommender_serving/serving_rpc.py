"""The gRPC server of a transformer under test, and its methods."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc

from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.pipeline.service import Service
from recommender_serving.server import grpc_server

METHODS = (
    "ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer"
)  # fmt: skip


class Stub:
    """The methods of the service, as a client calls them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        for name in METHODS:
            request, response = getattr(pb, f"{name}Request"), getattr(pb, f"{name}Response")
            path = f"/{grpc_server.NAME}/{name}"
            call = channel.unary_unary(path, request.SerializeToString, response.FromString)
            setattr(self, name, call)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


@contextlib.asynccontextmanager
async def calling(
    service: Service, bounds: grpc_server.Bounds | None = None
) -> AsyncIterator[tuple[Stub, int]]:
    """A server on a free port; yields its methods and the port."""
    server, port = grpc_server.build_server(service, 0, bounds)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Stub(channel), port
    await server.stop(None)
