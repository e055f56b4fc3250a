"""Read bodies within limits of size, time and memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

MAX_BODY = 1024 * 1024  # bytes
BUDGET = 32 * 1024 * 1024  # bytes of all requests that are being read or appended
READ_SECONDS = 10.0


class Refused(Exception):  # noqa: N818 - a state, not an error
    """The request is refused as a whole."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Bodies:
    """Reads bodies. Together they hold at most `budget` bytes until their requests end."""

    def __init__(self, budget: int = BUDGET, seconds: float = READ_SECONDS) -> None:
        self._free = budget
        self._seconds = seconds

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Read the body of a request.

        Raises:
            Refused: too large, too slow, or too many at a time.
        """
        stated = request.headers.get("content-length", "")
        size = int(stated) if stated.isdigit() else MAX_BODY
        if size > MAX_BODY:
            raise _too_large()
        if size > self._free:
            raise Refused(429, "too many requests at a time: send it again later", 1)
        self._free -= size
        try:
            async with asyncio.timeout(self._seconds):
                body = await _read(request)
            yield body
        except TimeoutError:
            text = f"the body did not arrive within {self._seconds:g} s: send it faster"
            raise Refused(408, text) from None
        finally:
            self._free += size


async def _read(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise _too_large()
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large() -> Refused:
    return Refused(413, f"the body has more than {MAX_BODY} bytes: send fewer events at a time")
