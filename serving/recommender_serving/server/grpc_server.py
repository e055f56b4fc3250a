"""gRPC: the service of the open inference protocol, with a status and message for every error."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from recommender_contract.headers import DEADLINE_HEADER, deadline_seconds
from recommender_serving.experiments.forwarder import TIMING_PARAMETER
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.monitoring.tracing import TRACE_HEADER
from recommender_serving.pipeline import mirroring, routing
from recommender_serving.pipeline.request_context import CallContext
from recommender_serving.pipeline.service import SERVER, Service
from recommender_serving.protocols import errors
from recommender_serving.protocols.request_limits import Tensor, inputs, outputs

logger = logging.getLogger(__name__)
NAME = "inference.GRPCInferenceService"
INFER = "ModelInfer"
STATUS = {
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownModel: grpc.StatusCode.NOT_FOUND,
    errors.NotReady: grpc.StatusCode.UNAVAILABLE,
    errors.TooSlow: grpc.StatusCode.DEADLINE_EXCEEDED,
}
#: A method with its message, and what came beside it.
Method = Callable[[Any, CallContext], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of clients: calls times `message_bytes` is the most memory of unread messages."""

    calls: int = 256  # in flight, of all connections; more get RESOURCE_EXHAUSTED
    connections: int = 1024
    streams: int = 128  # of one connection; more wait at the client
    message_bytes: int = 2**20  # one instance with the longest lists of the longest ids is smaller
    read_seconds: float = 10.0  # from the call to the end of its message
    handshake_seconds: float = 10.0
    idle_seconds: float = 600.0  # of a connection without calls

    def options(self) -> list[tuple[str, int]]:
        """Return the options of gRPC's core."""
        return [
            ("grpc.so_reuseport", 0),  # a second process must fail, not share the port
            ("grpc.max_receive_message_length", self.message_bytes),
            ("grpc.max_concurrent_streams", self.streams),
            ("grpc.max_allowed_incoming_connections", self.connections),
            ("grpc.server_handshake_timeout_ms", round(1000 * self.handshake_seconds)),
            ("grpc.http2.settings_timeout", round(1000 * self.handshake_seconds)),
            ("grpc.max_connection_idle_ms", round(1000 * self.idle_seconds)),
            # Finds a peer that disappeared without closing the connection.
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 10_000),
        ]


class Servicer:
    """The methods of the service."""

    def __init__(self, service: Service, bounds: Bounds) -> None:
        self._service = service
        self._bounds = bounds

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """Return the service for a server."""
        methods: dict[str, tuple[Method, Any]] = {
            "ServerLive": (self.server_live, pb.ServerLiveRequest),
            "ServerReady": (self.server_ready, pb.ServerReadyRequest),
            "ModelReady": (self.model_ready, pb.ModelReadyRequest),
            "ServerMetadata": (self.server_metadata, pb.ServerMetadataRequest),
            "ModelMetadata": (self.model_metadata, pb.ModelMetadataRequest),
            INFER: (self.model_infer, pb.ModelInferRequest),
        }
        # On the wire a stream with one message is the same as one message. A handler of a stream
        # reads it itself, with a timeout; gRPC waits for a message alone as long as the client.
        return grpc.method_handlers_generic_handler(
            NAME,
            {
                name: grpc.stream_unary_rpc_method_handler(
                    self._with_status(method, name), kind.FromString, _serialized
                )
                for name, (method, kind) in methods.items()
            },
        )

    async def server_live(self, _: pb.ServerLiveRequest, __: CallContext) -> pb.ServerLiveResponse:
        """Answer that the process runs."""
        return pb.ServerLiveResponse(live=True)

    async def server_ready(
        self, _: pb.ServerReadyRequest, __: CallContext
    ) -> pb.ServerReadyResponse:
        """Answer whether to send traffic."""
        return pb.ServerReadyResponse(ready=await self._service.readiness.ready())

    async def model_ready(
        self, request: pb.ModelReadyRequest, _: CallContext
    ) -> pb.ModelReadyResponse:
        """Answer whether the model answers."""
        self._service.check_model(request.name, request.version)
        return pb.ModelReadyResponse(ready=await self._service.readiness.model_ready())

    async def server_metadata(
        self, _: pb.ServerMetadataRequest, __: CallContext
    ) -> pb.ServerMetadataResponse:
        """Describe the server."""
        version = version_of("recommender-operator")
        return pb.ServerMetadataResponse(name=SERVER, version=version)

    async def model_metadata(
        self, request: pb.ModelMetadataRequest, _: CallContext
    ) -> pb.ModelMetadataResponse:
        """Describe the tensors of the model."""
        service = self._service
        service.check_model(request.name, request.version)
        return pb.ModelMetadataResponse(
            name=service.name,
            versions=[service.version],
            inputs=map(_described, inputs(service.limits)),
            outputs=map(_described, outputs(service.limits.ids)),
        )

    async def model_infer(
        self, request: pb.ModelInferRequest, call: CallContext
    ) -> pb.ModelInferResponse:
        """Answer a request."""
        start = time.perf_counter()
        self._service.check_model(request.model_name, request.model_version)
        if request.model_version:  # a client that names a version wants no other
            call = call._replace(trial=None, copy=None, interleaving=None)
        response = await routing.infer_grpc(self._service, request, call)
        mirroring.mirror_grpc(self._service, call, request)
        if call.trial is not None and call.trial.forwarded:
            took = round(1e6 * (time.perf_counter() - start))
            response.parameters[TIMING_PARAMETER].int64_param = took
        return response

    def _followed(self, name: str, context: Any) -> contextlib.AbstractContextManager[object]:
        """Return a context that follows a call in the log: an inference, but not a probe."""
        if name != INFER:
            return contextlib.nullcontext()
        metadata = _metadata(context)
        return self._service.calls.call("grpc", traceparent=metadata.get(TRACE_HEADER))

    def _with_status(self, method: Method, name: str) -> Callable[[Any, Any], Awaitable[Any]]:
        async def call(requests: AsyncIterator[Any], context: Any) -> Any:
            try:
                with self._followed(name, context):
                    message = await self._message(requests)
                    return await method(message, self._call_context(context))
            except errors.CallError as error:
                if isinstance(error, errors.InvalidRequest):
                    self._service.invalid(error.instances, _metadata(context))
                await context.abort(STATUS[type(error)], str(error))
            except Exception as error:
                logger.exception("internal error")
                message = f"internal error ({type(error).__name__}); the server's log has more"
                await context.abort(grpc.StatusCode.INTERNAL, message)

        return call

    def _call_context(self, context: Any) -> CallContext:
        metadata = _metadata(context)
        now = asyncio.get_running_loop().time()
        left = context.time_remaining()
        call = self._service.call_context("", None if left is None else now + left, metadata)
        if call.is_copy or (call.trial is not None and call.trial.forwarded):
            # Less than the deadline of the call, so that an answer arrives before it.
            told = deadline_seconds(metadata.get(DEADLINE_HEADER, ""))
            left = min((each for each in (left, told) if each is not None), default=None)
            return call._replace(deadline=None if left is None else now + left)
        return call

    async def _message(self, requests: AsyncIterator[Any]) -> Any:
        """Return the first message.

        Raises:
            InvalidRequest: there is none, or none of the protocol.
            TooSlow: it is not complete in time.
        """
        try:
            async with asyncio.timeout(self._bounds.read_seconds):
                return await anext(requests)
        except StopAsyncIteration:
            raise errors.InvalidRequest("the call has no message: send one") from None
        except DecodeError:
            text = "the message cannot be parsed: send one of the open inference protocol (v2)"
            raise errors.InvalidRequest(text) from None
        except TimeoutError:
            seconds = self._bounds.read_seconds
            raise errors.TooSlow(f"the message is not complete after {seconds:g} s") from None


def _described(tensor: Tensor) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=tensor.name, datatype=tensor.datatype, shape=tensor.shape
    )


def _metadata(context: Any) -> dict[str, str]:
    """Return the metadata of a call; a repeated one has all values, as in HTTP."""
    found: dict[str, str] = {}
    for name, value in context.invocation_metadata() or ():
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _serialized(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def build_server(
    service: Service, port: int, bounds: Bounds | None = None
) -> tuple[grpc.aio.Server, int]:
    """Build the server and bind its port, or a free one for 0; returns both.

    Raises:
        RuntimeError: the port is in use.
    """
    bounds = bounds or Bounds()
    server = grpc.aio.server(
        handlers=[Servicer(service, bounds).handler()],
        options=bounds.options(),
        maximum_concurrent_rpcs=bounds.calls,
    )
    return server, server.add_insecure_port(f"[::]:{port}")
