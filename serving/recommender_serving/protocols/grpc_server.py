"""gRPC: KServe's service, with a status and message for every error."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import grpc
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (
    add_GRPCInferenceServiceServicer_to_server,
)
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from recommender_serving.protocols.data_plane import MAX_BODY_BYTES, Invalid
from recommender_serving.protocols.transformer import RefusedRequest

logger = logging.getLogger(__name__)
METHODS = (
    "ServerMetadata",
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ModelMetadata",
    "RepositoryModelLoad",
    "RepositoryModelUnload",
    "ModelInfer",
)
STATUS = (
    (InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (ModelNotFound, grpc.StatusCode.NOT_FOUND),
    (ModelNotReady, grpc.StatusCode.UNAVAILABLE),
    (ServerNotReady, grpc.StatusCode.UNAVAILABLE),
    (NotImplementedError, grpc.StatusCode.UNIMPLEMENTED),
)


class Servicer(InferenceServicer):  # type: ignore[misc]
    """KServe's service; each method maps an exception to its status."""

    def __init__(
        self, plane: DataPlane, repository: ModelRepositoryExtension, invalid: Invalid
    ) -> None:
        super().__init__(plane, repository)
        for name in METHODS:
            setattr(self, name, _with_status(getattr(self, name), invalid))


def _with_status(method: Callable[[Any, Any], Any], invalid: Invalid) -> Callable[[Any, Any], Any]:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await method(request, context)
        except Exception as error:
            if isinstance(error, InvalidInput) and not isinstance(error, RefusedRequest):
                invalid(1)  # failed before the model could count it
            await _abort(context, error)

    return call


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: Exception) -> None:
    for kind, status in STATUS:
        if isinstance(error, kind):
            await context.abort(status, str(error))
    logger.error("internal error", exc_info=error)
    message = f"internal error ({type(error).__name__}); the server's log has more"
    await context.abort(grpc.StatusCode.INTERNAL, message)


def build_server(servicer: Servicer, port: int) -> grpc.aio.Server:
    """Build the server and bind its port.

    Raises:
        RuntimeError: the port is in use.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),  # a second process must fail, not share the port
            ("grpc.max_receive_message_length", MAX_BODY_BYTES),
        ]
    )
    add_GRPCInferenceServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"[::]:{port}")
    return server
