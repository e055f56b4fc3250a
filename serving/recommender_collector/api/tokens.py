"""Who may use the admin port: bearer tokens in a file of a mounted Secret."""

from __future__ import annotations

import hashlib
import hmac
import logging
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from recommender_collector.api.bodies import Refused
from recommender_collector.api.events import failure
from recommender_collector.metrics import CollectorMetrics, Refusal

logger = logging.getLogger(__name__)
MIN_BYTES, MAX_BYTES = 16, 4096  # of a token, and of the file


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
                401, "give the token of this port: Authorization: Bearer <token> (docs/events.md)"
            )


def guarded(app: ASGIApp, tokens: Tokens, metrics: CollectorMetrics) -> ASGIApp:
    """Return an application that serves only requests with a token."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                tokens.admit(Headers(scope=scope).get("authorization", ""))
            except Refused as refused:
                is_unknown = refused.status == 401
                metrics.refused(Refusal.UNAUTHENTICATED if is_unknown else Refusal.UNAVAILABLE)
                answer = failure(refused)
                if is_unknown:
                    answer.headers["www-authenticate"] = "Bearer"
                await answer(scope, receive, send)
                return
        await app(scope, receive, send)

    return guard
