"""Read bodies within limits of size, time and memory."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from recommender_contract.events import MAX_BODY

#: Headers of a request by their name in lower case.
Headers = Mapping[bytes, bytes]

BUDGET = 32 * 1024 * 1024  # bytes of all requests that are being read or appended
READ_SECONDS = 10.0


class Refused(Exception):  # noqa: N818 - a state, not an error
    """The request is refused as a whole."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Bodies:
    """Reads bodies. Together they hold at most `budget` bytes until their requests end.

    Neither this nor its caller uses the classes of Starlette for a request: they would take a good
    part of the time of a small one.
    """

    def __init__(self, budget: int = BUDGET, seconds: float = READ_SECONDS) -> None:
        self._free = budget
        self._seconds = seconds

    def admit(self, headers: Headers) -> int:
        """Return the bytes that a request takes of the budget, for `release` when it ends.

        Raises:
            Refused: it states a body that is too large, or there are too many at a time.
        """
        stated = headers.get(b"content-length", b"")
        size = int(stated) if stated.isdigit() else MAX_BODY
        if size > MAX_BODY:
            raise _too_large()
        if size > self._free:
            raise Refused(429, "too many requests at a time: send it again later", 1)
        self._free -= size
        return size

    def release(self, size: int) -> None:
        """Give the bytes of an admitted request back."""
        self._free += size

    async def read(self, receive: Receive) -> bytes:
        """Return the body of an admitted request.

        Raises:
            Refused: it is too large or too slow.
            ClientDisconnect: the client went away before its end.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await _read(receive)
        except TimeoutError:
            text = f"the body did not arrive within {self._seconds:g} s: send it faster"
            raise Refused(408, text) from None


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > MAX_BODY:
            raise _too_large()
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large() -> Refused:
    return Refused(413, f"the body has more than {MAX_BODY} bytes: send fewer events at a time")


def require_model(model: str, known: Collection[str]) -> None:
    """Raise Refused (404) for a model that is not declared."""
    if model not in known:
        names = ", ".join(sorted(known)[:10])
        raise Refused(404, f"model: got {model[:60]!r}; give one of {names}")


def unavailable(error: Exception) -> Refused:
    """Return the refusal (503) of a request for which the store does not answer."""
    return Refused(503, f"the store does not answer ({type(error).__name__}): ask again", 1)
