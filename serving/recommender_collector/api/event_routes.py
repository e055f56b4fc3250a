"""`POST /v1/events`, the one path of the public port."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from recommender_collector.api.callers import Caller, Callers
from recommender_collector.api.quotas import Quotas
from recommender_collector.api.request_bodies import Bodies, Headers, Refused
from recommender_collector.collector_metrics import CollectorMetrics, Refusal
from recommender_collector.domain import cloud_events
from recommender_collector.domain.batch_validation import (
    Accepted,
    Batch,
    InvalidBatch,
    validate_batch,
)
from recommender_collector.log.event_log import LogBusy, LogUnavailable
from recommender_collector.log.group_commit import GroupCommit
from recommender_contract.events import BATCH_CONTENT_TYPE, CONTENT_TYPE, Kind

logger = logging.getLogger(__name__)
PATH = "/v1/events"
_CLOUD_EVENTS = (
    CONTENT_TYPE.encode(),
    BATCH_CONTENT_TYPE.encode(),
)
#: Status, body in JSON, and further headers.
Answer = tuple[int, bytes, Sequence[tuple[bytes, bytes]]]
_REASONS = {
    400: Refusal.INVALID,
    401: Refusal.UNAUTHENTICATED,
    408: Refusal.SLOW,
    413: Refusal.TOO_LARGE,
    429: Refusal.BUSY,
    503: Refusal.UNAVAILABLE,
}
#: Refusals that other requests or the store caused.
_OWN = (Refusal.BUSY, Refusal.UNAVAILABLE)


class Events:
    """Accepts events: checked, then durable, then acknowledged."""

    def __init__(
        self,
        callers: Callers,
        commits: Mapping[str, GroupCommit],
        metrics: CollectorMetrics,
        bodies: Bodies | None = None,
        clock: Callable[[], float] = time.time,
        takes_impressions: Callable[[], bool] = lambda: True,
        quotas: Quotas | None = None,
    ) -> None:
        self._callers = callers
        self._commits = commits
        self._metrics = metrics
        self._bodies = bodies or Bodies()
        self._clock = clock
        self._takes_impressions = takes_impressions
        self._quotas = quotas

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one POST."""
        # Of headers of one name the first one counts.
        headers = dict(reversed(scope["headers"]))
        status, content, more = await self._post(headers, receive)
        length = (b"content-length", b"%d" % len(content))
        start = {
            "type": "http.response.start",
            "status": status,
            "headers": [length, (b"content-type", b"application/json"), *more],
        }
        await send(start)
        await send({"type": "http.response.body", "body": content})

    async def _post(self, headers: Headers, receive: Receive) -> Answer:
        """Answer 200, 207 if some events are rejected, or the status of a refusal."""
        size = 0
        try:
            caller = self._callers.caller(headers.get(b"authorization"))
            size = self._bodies.admit(headers)
            batch = self._check(headers, await self._bodies.read(receive), caller)
            if self._quotas is not None:
                self._quotas.admit(batch, caller.source)
            return _answer(batch, await self._append(batch))
        except Refused as refused:
            self._refused(headers, refused)
            more = [(name.encode(), value.encode()) for name, value in _retry(refused).items()]
            return refused.status, _error(refused), more
        except ClientDisconnect:
            return 400, b"", ()  # no client reads it
        finally:
            self._bodies.release(size)

    def _refused(self, headers: Headers, refused: Refused) -> None:
        """Count a refusal; the log has those that the client did not cause, without its text."""
        reason = _REASONS[refused.status]
        self._metrics.refused(reason)
        level = logging.WARNING if reason in _OWN else logging.DEBUG
        if logger.isEnabledFor(level):
            id_ = headers.get(b"x-request-id", b"").decode("latin-1")
            fields = {"request_id": id_, "reason": reason}
            logger.log(level, "request refused", extra={"fields": fields})

    def _check(self, headers: Headers, body: bytes, caller: Caller) -> Batch:
        try:
            raw: Any = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Refused(400, f"the body is not JSON: {error}") from None
        unwrap = None
        if b"ce-specversion" in headers:
            raw = cloud_events.from_headers(_texts(headers), raw)
            unwrap = cloud_events.unwrap
        elif _content_type(headers) in _CLOUD_EVENTS:
            unwrap = cloud_events.unwrap
        try:
            batch = validate_batch(raw, caller.models, self._clock(), unwrap)
        except InvalidBatch as error:
            raise Refused(400, str(error)) from None
        if batch.rejected:
            self._metrics.rejected.inc(len(batch.rejected))
        return batch

    async def _append(self, batch: Batch) -> int:
        """Append the valid events of all models; return the number of repeated ids."""
        start = time.perf_counter()
        if len(batch.events) == 1:  # without a task for it
            ((model, found),) = batch.events.items()
            with _refusing():
                repeated = await self._one(model, found)
            self._metrics.append_seconds.observe(time.perf_counter() - start)
            return repeated
        results = await asyncio.gather(
            *(self._one(model, found) for model, found in batch.events.items()),
            return_exceptions=True,
        )
        repeated, result = 0, None
        try:
            for result in results:
                with _refusing():
                    if isinstance(result, BaseException):
                        raise result
                    repeated += result
        finally:
            del results, result  # an exception among them has this frame: a cycle
        self._metrics.append_seconds.observe(time.perf_counter() - start)
        return repeated

    async def _one(self, model: str, events: Accepted) -> int:
        if Kind.IMPRESSION in events.kinds and not self._takes_impressions():
            if (others := events.without(Kind.IMPRESSION)) is not None:
                await self._append_all(model, others)
            raise LogBusy("the store's memory is nearly full, and impressions wait")
        return await self._append_all(model, events)

    async def _append_all(self, model: str, events: Accepted) -> int:
        known = await self._commits[model].append(events.lines)
        kinds = events.kinds
        counts = Counter(kinds)
        if known:
            counts.subtract(kinds[index] for index in known)
            self._metrics.repeated(model, len(known))
        for kind, count in counts.items():
            self._metrics.accepted(model, kind, count)
        return len(known)


def public_app(events: Events) -> ASGIApp:
    """Build the application of the public port."""
    others = Starlette(routes=[Route(PATH, events, methods=["POST"])])

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        # The middleware and the routing of Starlette take a share of a small request.
        is_post = scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == PATH
        await (events if is_post else others)(scope, receive, send)

    return serve


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except LogBusy as busy:
        raise Refused(429, f"{busy}: send it again later", busy.seconds) from busy
    except LogUnavailable as gone:
        text = f"{gone}: send the same events again, with the same ids"
        raise Refused(503, text, 1) from gone


def _answer(batch: Batch, repeated: int) -> Answer:
    rejected = len(batch.rejected)
    status = 200 if not rejected else 400 if rejected == batch.size else 207
    content: dict[str, object] = {
        "accepted": batch.size - rejected - repeated,
        "repeated": repeated,
        "rejected": [
            {"index": each.index, "id": each.id, "field": each.field, "error": each.error}
            for each in batch.rejected
        ],
    }
    return status, orjson.dumps(content), ()


def _content_type(headers: Headers) -> bytes:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _texts(headers: Headers) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}


def _error(refused: Refused) -> bytes:
    return orjson.dumps({"error": str(refused)})


def _retry(refused: Refused) -> dict[str, str]:
    return {} if refused.retry_after is None else {"retry-after": str(refused.retry_after)}


def failure(refused: Refused) -> Response:
    """Return the answer of a refusal."""
    return Response(_error(refused), refused.status, _retry(refused), "application/json")
