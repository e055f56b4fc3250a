"""Who may use the admin port: bearer tokens in a file of a mounted Secret."""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from recommender_collector.api.event_routes import failure
from recommender_collector.api.request_bodies import Refused
from recommender_collector.collector_metrics import CollectorMetrics, Refusal
from recommender_collector.domain.token_buckets import TokenBuckets

logger = logging.getLogger(__name__)
MIN_BYTES, MAX_BYTES = 16, 4096  # of a token, and of the file
#: Wrong tokens a second from one address; ten may come at once.
WRONG_RATE = 1.0
#: Addresses that are remembered.
MOST_ADDRESSES = 1000


class InvalidToken(ValueError):  # noqa: N818 - it is the token that is invalid
    """The file has no usable token; the message has nothing of its content."""


class Tokens:
    """The tokens of a file, one a line, each of which is accepted.

    The file is read at each request, so a rotated Secret needs no restart. With the former token
    on a second line, callers that have not got the new one yet go on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[bytes]:
        """Return the tokens.

        Raises:
            InvalidToken: there is none, or one is short or has other characters than ASCII's.
        """
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise InvalidToken(f"{self._path} cannot be read: {error.strerror}") from None
        found = content.split()
        if not found or len(content) > MAX_BYTES or not content.isascii():
            raise InvalidToken(f"{self._path} has no token of ASCII characters: write one a line")
        if min(map(len, found)) < MIN_BYTES:
            raise InvalidToken(f"{self._path} has a token of fewer than {MIN_BYTES} characters")
        return found

    def admit(self, header: str) -> None:
        """Admit the value of an `Authorization` header.

        Digests are compared, in the same time whichever bytes differ.

        Raises:
            Refused: it has none of the tokens, or these cannot be read.
        """
        try:
            known = self.read()
        except InvalidToken as error:
            logger.warning("the admin port refuses everybody: %s", error)
            raise Refused(503, "the token of this port cannot be read: see the log", 5) from None
        scheme, _, given = header.partition(" ")
        digest = hashlib.sha256(given.strip().encode("latin-1")).digest()
        matches = [hmac.compare_digest(digest, hashlib.sha256(each).digest()) for each in known]
        if scheme.lower() != "bearer" or not any(matches):
            raise Refused(
                401,
                "give the token of this port: Authorization: Bearer <token> "
                "(docs/operate-collector.md)",
            )


def guarded(
    app: ASGIApp,
    tokens: Tokens,
    metrics: CollectorMetrics,
    clock: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """Return an application that serves only requests with a token.

    An address that has sent too many wrong tokens is refused for up to a second, whatever it
    sends. Others are not: whoever guesses cannot lock out the operator.
    """
    wrong = TokenBuckets(WRONG_RATE, clock, MOST_ADDRESSES)

    def check(scope: Scope) -> None:
        address = (scope.get("client") or ("",))[0]
        if wait := wrong.wait(address):
            raise Refused(429, "this address has sent too many wrong tokens", math.ceil(wait))
        try:
            tokens.admit(Headers(scope=scope).get("authorization", ""))
        except Refused as refused:
            if refused.status == 401:
                wrong.take(address, 1)
            raise

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                check(scope)
            except Refused as refused:
                unavailable = refused.status == 503
                metrics.refused(Refusal.UNAVAILABLE if unavailable else Refusal.UNAUTHENTICATED)
                answer = failure(refused)
                if refused.status == 401:
                    answer.headers["www-authenticate"] = "Bearer"
                await answer(scope, receive, send)
                return
        await app(scope, receive, send)

    return guard
