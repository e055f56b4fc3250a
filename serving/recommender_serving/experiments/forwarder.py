"""Ask another version for an answer, within bounds; without one the receiver answers itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import grpc

from recommender_contract.headers import (
    BANDS_HEADER,
    CALL_HEADER,
    COPY_HEADER,
    DEADLINE_HEADER,
    EXPERIMENT_HEADER,
    FORWARDED_HEADER,
    MAX_DEADLINE_MS,
    PLACES_HEADER,
    TIMING_HEADER,
    VERSION_HEADER,
)
from recommender_serving.domain import bands
from recommender_serving.domain.types import FallReason, Forwarded, Metadata, Waited
from recommender_serving.experiments.http_peer import PeerError, PeerRefusesError, Response
from recommender_serving.experiments.peers import Peer, Peers
from recommender_serving.experiments.trials import Trial
from recommender_serving.monitoring import call_record
from recommender_serving.monitoring.call_record import Call, noting
from recommender_serving.monitoring.tracing import Tracing, client_trace
from recommender_serving.monitoring.version_metrics import Metrics
from recommender_serving.ranking.bounded_concurrency import CONCURRENT
from recommender_serving.ranking.deadline_budget import stage_timeout

#: Of an answer over gRPC: what it took, in microseconds.
TIMING_PARAMETER = "microseconds"
MARGIN = 0.05  # seconds for the forward, beyond the timeouts of the models
WAY_BACK = 0.01  # seconds by which the deadline of the other version is shorter: for the way back
BUDGET = 32 * 2**20  # bytes of bodies on their way
INTERNAL = 500  # status of an answer to a request that failed
REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
Found = TypeVar("Found")
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ForwardedCall:
    """A call to forward: so many instances for a version, by a time of the event loop.

    The forwarder sets the rest: `outcome`, and `failed` if the version answered with an error of
    its own, one that it would give a client too.

    Outside of an experiment the answer is for `asker` alone: the version that gets a copy
    neither reports it nor counts it as one to a user.
    """

    version: str
    trial: Trial | None
    deadline: float | None = None
    instances: int = 1
    places: tuple[int, ...] = ()  # of the instances, if there are others
    call: str = field(default_factory=lambda: uuid.uuid4().hex)
    asker: str = ""
    caller: Metadata = ()  # the header of the verified user
    outcome: Forwarded | None = None
    failed: bool = False

    @property
    def unserved(self) -> bool:
        """True if the version had no chance to answer, so that this says nothing of it."""
        return not self.failed and self.outcome not in (Forwarded.ANSWERED, Forwarded.TIMEOUT)

    @property
    def metadata(self) -> Metadata:
        """The headers that say why the other version is asked."""
        if self.trial is None:
            return ((COPY_HEADER, self.asker), *self.caller)
        return (
            *self.caller,
            (EXPERIMENT_HEADER, self.trial.header),
            (FORWARDED_HEADER, self.trial.own),
            (CALL_HEADER, self.call),
        )


class Counts(Protocol):
    """Counts what became of instances, and the time that an answer took beyond the version's."""

    def forwarded(self, outcome: Forwarded, instances: int) -> None: ...
    def added(self, seconds: float) -> None: ...


class Forwarder:
    """Forwards to other versions. Use it in one event loop."""

    def __init__(
        self,
        peers: Peers,
        metrics: Metrics,
        timeouts: tuple[float, float],
        tracing: Tracing | None = None,
        clock: Callable[[], float] = time.perf_counter,
        counts: Counts | None = None,
    ) -> None:
        """`timeouts` are those of model and baseline, which the versions of a model share.

        `counts` are those of experiments if they are not given.
        """
        self._peers = peers
        self._counts: Counts = counts or metrics.experiments
        self._waited = noting(metrics.waited, Call.waited)
        self._timeouts = timeouts
        self._tracing = tracing
        self._clock = clock
        self._held = 0  # bytes of bodies on their way

    async def post(
        self,
        forwarded: ForwardedCall,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        read: Callable[[Response], Found],
    ) -> Found | None:
        """Post, and return the answer as `read` decodes it; None if there is no answer of use.

        `read` raises ValueError if the answer is none.
        """

        async def call(peer: Peer, seconds: float) -> tuple[Found, float | None]:
            own = dict(self._metadata(forwarded, seconds))
            response = await peer.rest.post(path, {**headers, **own}, body)
            forwarded.failed = response.status == INTERNAL
            if response.status != 200:
                kind = PeerRefusesError if 400 <= response.status < 500 else PeerError
                raise kind(f"status {response.status}")
            _check(response.headers.get(VERSION_HEADER), forwarded.version)
            return read(response), _took(response.headers.get(TIMING_HEADER))

        return await self._sent(forwarded, len(body), call)

    async def infer(self, forwarded: ForwardedCall, message: Any) -> Any | None:
        """Return the answer to a ModelInferRequest; None if there is no answer of use."""

        async def call(peer: Peer, seconds: float) -> tuple[Any, float | None]:
            try:
                response = await peer.rpc.infer(
                    message, seconds, self._metadata(forwarded, seconds)
                )
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise TimeoutError from error
                forwarded.failed = error.code() is grpc.StatusCode.INTERNAL
                kind = PeerRefusesError if error.code() in REFUSALS else PeerError
                raise kind(error.code().name) from error
            _check(response.model_version, forwarded.version)
            if TIMING_PARAMETER not in response.parameters:
                return response, None
            took = response.parameters[TIMING_PARAMETER].int64_param / 1e6
            del response.parameters[TIMING_PARAMETER]
            return response, took

        return await self._sent(forwarded, message.ByteSize(), call)

    def left(self, instances: int) -> None:
        """Count instances whose answer nobody waited for."""
        self._counts.forwarded(Forwarded.TIMEOUT, instances)

    async def close(self) -> None:
        """Close the connections."""
        await self._peers.close()

    def _metadata(self, forwarded: ForwardedCall, seconds: float) -> Metadata:
        """Return the headers of every forwarded request; this version waits so many seconds."""
        places = forwarded.places
        edges = "" if forwarded.trial is None else bands.header_of(forwarded.trial.bands)
        milliseconds = int(1000 * (seconds - min(WAY_BACK, seconds / 4)))
        return (
            *forwarded.metadata,
            (DEADLINE_HEADER, str(min(max(1, milliseconds), MAX_DEADLINE_MS))),
            *(((PLACES_HEADER, ",".join(map(str, places))),) if places else ()),
            *(((BANDS_HEADER, edges),) if edges else ()),
            *(client_trace() if self._tracing is None else self._tracing.metadata()),
        )

    async def _sent(
        self,
        forwarded: ForwardedCall,
        size: int,
        call: Callable[[Peer, float], Awaitable[tuple[Found, float | None]]],
    ) -> Found | None:
        found: Found | None = None
        peer = self._peers.peer(forwarded.version)
        full = -(-forwarded.instances // CONCURRENT) * (sum(self._timeouts) + MARGIN)
        seconds = self._seconds(full, forwarded.deadline)
        if seconds <= 0 or self._held + size > BUDGET:
            outcome = Forwarded.BUSY
        elif peer.breaker.admit() is not None:
            outcome = Forwarded.OPEN
        else:
            self._held += size
            try:
                outcome, found = await self._tried(peer, seconds, full, call)
            finally:
                self._held -= size
        forwarded.outcome = outcome
        self._counts.forwarded(outcome, forwarded.instances)
        current = call_record.current()
        if current is not None:
            current.sent(forwarded.version, outcome)
        return found

    async def _tried(
        self,
        peer: Peer,
        seconds: float,
        full: float,
        call: Callable[[Peer, float], Awaitable[tuple[Found, float | None]]],
    ) -> tuple[Forwarded, Found | None]:
        """Ask an admitted version, and release it; `full` are the seconds that it may take."""
        start = self._clock()
        try:
            with self._span():
                async with asyncio.timeout(seconds):
                    found, took = await call(peer, seconds)
        except TimeoutError:
            if seconds < full:  # the client waits for less than the version may take
                peer.breaker.abandon(seconds / full)
            else:
                peer.breaker.release(FallReason.TIMEOUT)
            return Forwarded.TIMEOUT, None
        except PeerRefusesError:
            peer.breaker.release(None)
            return Forwarded.REFUSED, None
        except (PeerError, ValueError):
            peer.breaker.release(FallReason.ERROR)
            return Forwarded.FAILED, None
        except Exception:
            # A bug; but the user gets an answer all the same.
            logger.exception("a forward failed")
            peer.breaker.release(FallReason.ERROR)
            return Forwarded.FAILED, None
        except BaseException:  # the client has left
            peer.breaker.abandon((self._clock() - start) / full)
            raise
        finally:
            total = self._clock() - start
            self._waited(Waited.FORWARD, total)
        peer.breaker.release(None)
        if took is not None:
            self._counts.added(max(0.0, total - took))
        return Forwarded.ANSWERED, found

    def _span(self) -> contextlib.AbstractContextManager[None]:
        if self._tracing is None:
            return contextlib.nullcontext()
        return self._tracing.stage(Waited.FORWARD)

    def _seconds(self, full: float, deadline: float | None) -> float:
        """Return how long to wait: as long as the other version may take, or less by a deadline.

        A part of a short time is kept for the receiver's own answer, as it is for the baseline.
        """
        if deadline is None:
            return full
        left = deadline - asyncio.get_running_loop().time()
        return stage_timeout((full, self._timeouts[1]), left)


def _check(given: str | None, version: str) -> None:
    if given != version:
        raise PeerError(f"{(given or 'nobody')[:100]} answered in place of {version}")


def _took(timing: str | None) -> float | None:
    """Return the seconds that an answer took, if it says so."""
    name, _, text = (timing or "").partition(";dur=")
    if name != "answer" or not text.replace(".", "", 1).isdecimal():
        return None
    return float(text) / 1000
