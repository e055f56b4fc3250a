"""One line in the log for a call that failed or that a fallback answered; for all at DEBUG."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable, Iterator

from starlette.requests import ClientDisconnect

from recommender_contract.events import Source
from recommender_serving.domain.types import NOBODY, Forwarded
from recommender_serving.monitoring.call_record import Call, entered
from recommender_serving.monitoring.tracing import Tracing, traceparent_of
from recommender_serving.protocols import errors

logger = logging.getLogger(__name__)
HEX_DIGITS = 16
SHOWN_USERS = 8


class UserNames:
    """Names users in the log by the first hex digits of HMAC-SHA256 of their ids.

    Ids are few enough to try all of them, so a hash without a key would hide nothing. Without a
    salt the key is random: the lines of one process can be joined, and nobody can go back.
    """

    def __init__(self, salt: str | None = None) -> None:
        """Keep the salt."""
        self._keyed = hmac.new((salt or "").encode() or os.urandom(32), digestmod=hashlib.sha256)

    def __call__(self, user: int) -> str:
        """Return the name of a user."""
        if user == NOBODY:
            return "nobody"
        keyed = self._keyed.copy()
        keyed.update(str(user).encode())
        return keyed.hexdigest()[:HEX_DIGITS]


class CallLog:
    """Follows the calls and writes their lines."""

    def __init__(
        self,
        name: Callable[[int], str] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        tracing: Tracing | None = None,
    ) -> None:
        """Create a log that shows users by `name`; calls have spans with `tracing`."""
        self._tracing = tracing
        self._name = name or UserNames()
        self._clock = clock

    @contextlib.contextmanager
    def call(
        self, protocol: str, request_id: str = "", traceparent: str | None = None
    ) -> Iterator[Call]:
        """Follow one call until it is answered or fails."""
        call = Call(protocol, request_id, traceparent_of(traceparent))
        start = self._clock()
        error: BaseException | None = None
        try:
            with entered(call), self._span(call):
                yield call
        except (Exception, asyncio.CancelledError) as raised:
            error = raised
            raise
        finally:
            level, text = outcome(call, error)
            if logger.isEnabledFor(level):
                fields = self._fields(call, error, self._clock() - start)
                logger.log(level, text, extra={"fields": fields})

    def _span(self, call: Call) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._tracing is None else self._tracing.request(call)

    def _fields(
        self, call: Call, error: BaseException | None, seconds: float
    ) -> dict[str, object]:
        """Return the fields of a line: no items, no features, no texts of a client's error."""
        fields: dict[str, object] = {
            "request_id": call.request_id,
            "trace_id": call.trace_id,
            "protocol": call.protocol,
            "instances": len(call.users),
            "users": list(map(self._name, call.users[:SHOWN_USERS])),
            "sources": sorted(call.sources),
            "falls": sorted(f"{source}: {reason}" for source, reason in call.falls),
            "forwards": sorted(f"{version}: {outcome}" for version, outcome in call.forwards),
            "error": type(error).__name__ if error else ", ".join(sorted(call.bugs)),
            "seconds": round(seconds, 6),
            "stages": {stage.value: round(took, 6) for stage, took in call.slowest.items()},
        }
        return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def outcome(call: Call, error: BaseException | None) -> tuple[int, str]:
    """Return level and text of a call's line; the texts are constants, which bounds their rate."""
    match error:
        case None if call.bugs:
            return logging.ERROR, "answered despite a bug"
        case None if call.falls or call.sources - {Source.MODEL}:
            return logging.WARNING, "fallback answered"
        case None if any(outcome is not Forwarded.ANSWERED for _, outcome in call.forwards):
            return logging.WARNING, "forward failed"
        case None:
            return logging.DEBUG, "answered"
        case asyncio.CancelledError() | ClientDisconnect():
            return logging.DEBUG, "client left"
        case errors.Busy():
            return logging.WARNING, "too busy"
        case errors.CallError():  # the client knows why, and its text may have an id
            return logging.DEBUG, "request refused"
        case _:
            return logging.ERROR, "request failed"
