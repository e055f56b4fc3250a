"""A gRPC service of the open inference protocol, made of functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from recommender_serving.inference import inference_pb2 as pb


def service(**methods: Callable[[Any, Any], Awaitable[Any]]) -> grpc.GenericRpcHandler[Any, Any]:
    """The service with these methods, such as `ModelInfer=answer`."""
    return grpc.method_handlers_generic_handler(
        "inference.GRPCInferenceService",
        {
            name: grpc.unary_unary_rpc_method_handler(
                method,
                getattr(pb, f"{name}Request").FromString,
                getattr(pb, f"{name}Response").SerializeToString,
            )
            for name, method in methods.items()
        },
    )
