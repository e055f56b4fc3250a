"""The kept connections of a client, which it closes at its end."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx


class Connected:
    """A client that blocks."""

    def __init__(
        self, base_url: str, host: str | None, transport: httpx.BaseTransport | None
    ) -> None:
        self._http = httpx.Client(transport=transport, **_settings(base_url, host))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncConnected:
    """A client for asyncio."""

    def __init__(
        self, base_url: str, host: str | None, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self._http = httpx.AsyncClient(transport=transport, **_settings(base_url, host))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def _settings(base_url: str, host: str | None) -> dict[str, Any]:
    return {"base_url": base_url, "headers": {} if host is None else {"host": host}}
