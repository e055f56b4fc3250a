"""Kept connections to one or several servers of the inference protocol behind an address."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import grpc

from recommender_serving.inference import inference_pb2 as pb

BROKEN = grpc.ChannelConnectivity.TRANSIENT_FAILURE
#: There is no server of this protocol at the end of the connection: none, or another one. The
#: address of a Service that the node does not know yet, or of a pod that is gone, may lead
#: anywhere, and what answers there keeps the connection.
LOST = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED})
CHANNEL_OPTIONS = (
    # Reconnect to a restarted server within a second, instead of gRPC's default of two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Detect a peer that disappeared without closing the connection.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Use no proxy between the pods of a model.
    ("grpc.enable_http_proxy", 0),
    # Channels to the same address would share one connection, and so one pod of several.
    ("grpc.use_local_subchannel_pool", 1),
)
#: A Service assigns a pod to a connection, not to a call. Several connections spread the
#: calls, and one pod that is lost takes only its connections along.
CHANNELS = 4
#: Tries of a call that lost its pod. An inference changes nothing, so it may be repeated; but
#: not more than once, because the call itself may be what ends each pod that it reaches.
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
        """True if the last connection failed and the next is not tried yet."""
        return bool(self._channel.get_state(try_to_connect=True) is BROKEN)

    async def close(self, grace: float | None = None) -> None:
        """Close the channel; calls in flight have `grace` seconds to end."""
        await self._channel.close(grace)


class Channels:
    """Channels to one or several servers behind an address.

    Create and close them in the running event loop.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._stubs = [Stub(endpoint) for _ in range(CHANNELS)]
        self._turns = itertools.cycle(range(CHANNELS))
        self._closing: set[asyncio.Task[None]] = set()

    def next(self) -> Stub:
        """Return the stub of the next channel that is not known to be broken, else of the next."""
        turn = next(self._turns)
        for _ in range(CHANNELS - 1):
            if not self._stubs[turn].broken:
                break
            turn = next(self._turns)
        return self._stubs[turn]

    async def infer(
        self, request: Any, timeout: float, metadata: tuple[tuple[str, str], ...] = ()
    ) -> Any:
        """Return the ModelInferResponse.

        A call that lost its pod is repeated over another connection, within `timeout` seconds in
        total.

        Raises:
            grpc.aio.AioRpcError: what the last try ended with.
        """
        ends = time.monotonic() + timeout
        for left in reversed(range(TRIES)):
            stub = self.next()
            try:
                within = max(0.0, ends - time.monotonic())
                return await stub.infer(request, timeout=within, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() not in LOST:
                    raise
                self._replace(stub)
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    async def ready(self, model: str, timeout: float) -> bool:
        """Return whether the server says that it can answer for a model.

        Raises:
            grpc.aio.AioRpcError: there is no answer.
        """
        stub = self.next()
        try:
            answer = await stub.ready(pb.ModelReadyRequest(name=model), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                self._replace(stub)
            raise
        return bool(answer.ready)

    def _replace(self, lost: Stub) -> None:
        """Connect again: a server that shuts down keeps its connections, but refuses calls.

        The Service no longer leads to it. While all servers are gone, the channel's own backoff
        is better than a new channel for each call.
        """
        if lost not in self._stubs or time.monotonic() - lost.born < LEAST_AGE:
            return
        self._stubs[self._stubs.index(lost)] = Stub(self._endpoint)
        task = asyncio.create_task(lost.close(GRACE))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close the channels; calls in flight end with an error."""
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*(stub.close() for stub in self._stubs))
