"""Send copies of answered requests to a candidate; nobody waits for them.

A copy is sent after the answer was made. Copies are bounded in number and bytes, and what is
beyond is dropped and counted: a slow or dead candidate costs the version that answers users a
little memory, and its users nothing.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from recommender_contract.headers import COPY_HEADER, DEADLINE_HEADER, MAX_DEADLINE_MS
from recommender_serving.domain.types import FallReason, Forwarded, Metadata
from recommender_serving.experiments.forwarder import MARGIN, REFUSALS
from recommender_serving.experiments.http_peer import PeerError, PeerRefusesError
from recommender_serving.experiments.peers import Peer, Peers
from recommender_serving.ranking.bounded_concurrency import CONCURRENT

#: Copies in flight.
MOST = 64
#: Bytes of their bodies, and of those that are kept while the models still answer.
BUDGET = 8 * 2**20
#: Seconds beyond what the candidate may take. It shall count its own timeouts, not the sender.
PATIENCE = 1.0
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class MirroredCall:
    """A call of which a candidate gets a copy, once its client has the answer."""

    version: str  # the candidate
    by: str  # the version that answers the client
    seconds: float | None = None  # how long the client waits, if it said so
    caller: Metadata = ()  # the header of its verified user
    body: bytes | None = None  # over REST, if there was room for it

    @property
    def metadata(self) -> Metadata:
        """The headers of a copy: the candidate has the time that the client gave."""
        deadline = (
            () if self.seconds is None else ((DEADLINE_HEADER, _milliseconds(self.seconds)),)
        )
        return ((COPY_HEADER, self.by), *deadline, *self.caller)


class TrafficMirror:
    """Sends copies. Use it in one event loop."""

    def __init__(
        self, peers: Peers, counted: Callable[[Forwarded], None], timeouts: tuple[float, float]
    ) -> None:
        """`timeouts` are those of model and baseline. The peers are not those of forwards.

        Failed copies must not open a breaker that holds back requests of users. Let the peers
        admit `MOST` calls.
        """
        self._peers = peers
        self._counted = counted
        self._timeouts = timeouts
        self._running: set[asyncio.Task[None]] = set()
        self._held = 0  # bytes of bodies that are kept or on their way

    @property
    def in_flight(self) -> int:
        """Number of copies on their way."""
        return len(self._running)

    def keep(self, copy: MirroredCall, body: bytes) -> bytes:
        """Keep the body of a call that is being answered, if there is room, and return it."""
        if self._reserve(len(body)):
            copy.body = body
        return body

    def drop(self, copy: MirroredCall) -> None:
        """Drop what is kept of a call that has no answer."""
        if copy.body is not None:
            self._held -= len(copy.body)
            copy.body = None

    def post(
        self, copy: MirroredCall, path: str, headers: Mapping[str, str], instances: int = 1
    ) -> None:
        """Send the kept body of a call over REST, if there is one, in the background."""
        body, copy.body = copy.body, None
        if body is None:
            return

        async def call(peer: Peer, _: float) -> None:
            response = await peer.rest.post(path, {**headers, **dict(copy.metadata)}, body)
            if response.status != 200:
                kind = PeerRefusesError if 400 <= response.status < 500 else PeerError
                raise kind(f"status {response.status}")

        self._start(copy, len(body), instances, call)

    def infer(self, copy: MirroredCall, message: Any) -> None:
        """Send a ModelInferRequest, in the background."""

        async def call(peer: Peer, seconds: float) -> None:
            try:
                await peer.rpc.infer(message, seconds, copy.metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise TimeoutError from error
                kind = PeerRefusesError if error.code() in REFUSALS else PeerError
                raise kind(error.code().name) from error

        size = message.ByteSize()
        if self._reserve(size):
            self._start(copy, size, 1, call)

    async def close(self) -> None:
        """Give up the copies on their way, and close the connections."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._peers.close()

    def _reserve(self, size: int) -> bool:
        if self._held + size > BUDGET:
            self._counted(Forwarded.BUSY)
            return False
        self._held += size
        return True

    def _start(
        self,
        copy: MirroredCall,
        size: int,
        instances: int,
        call: Callable[[Peer, float], Awaitable[None]],
    ) -> None:
        """Send a copy whose bytes are reserved."""
        peer = self._peers.peer(copy.version)
        busy = self.in_flight >= MOST
        if busy or peer.breaker.admit() is not None:
            self._held -= size
            self._counted(Forwarded.BUSY if busy else Forwarded.OPEN)
            return
        full = -(-instances // CONCURRENT) * (sum(self._timeouts) + MARGIN) + PATIENCE
        # Without the context of the call: its line in the log and its trace end with the answer.
        task = asyncio.create_task(
            self._sent(peer, full, size, call), context=contextvars.Context()
        )
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _sent(
        self,
        peer: Peer,
        seconds: float,
        size: int,
        call: Callable[[Peer, float], Awaitable[None]],
    ) -> None:
        """Send one copy to an admitted candidate, and release it."""
        failure: FallReason | None = None
        try:
            async with asyncio.timeout(seconds):
                await call(peer, seconds)
            outcome = Forwarded.ANSWERED
        except TimeoutError:
            outcome, failure = Forwarded.TIMEOUT, FallReason.TIMEOUT
        except PeerRefusesError:
            outcome = Forwarded.REFUSED
        except PeerError:
            outcome, failure = Forwarded.FAILED, FallReason.ERROR
        except Exception:
            logger.exception("a copy failed")  # a bug
            outcome, failure = Forwarded.FAILED, FallReason.ERROR
        except BaseException:  # the process ends
            peer.breaker.abandon()
            raise
        finally:
            self._held -= size
        peer.breaker.release(failure)
        self._counted(outcome)


def _milliseconds(seconds: float) -> str:
    return str(min(max(1, int(1000 * seconds)), MAX_DEADLINE_MS))
