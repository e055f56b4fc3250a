"""One HTTP exchange with a bounded answer, and errors in words a person can act upon."""

from __future__ import annotations

import aiohttp

#: Seconds for one exchange with a pod, connection included. A pod that is gone answers no
#: connection, and the look that takes its requests away waits so long for it.
TIMEOUT = aiohttp.ClientTimeout(total=5, connect=1)


class ExchangeError(Exception):
    """The exchange gave no usable answer; the text says why."""


async def exchange(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    limit: int,
    json: object = None,
    params: dict[str, str] | None = None,
) -> bytes:
    """Return the body of a 200 answer of at most `limit` bytes.

    Redirects are not followed: a pod has no reason to send the operator elsewhere.

    Raises:
        ExchangeError: no answer in time, another status, or a larger body.
    """
    try:
        async with session.request(
            method, url, json=json, params=params, allow_redirects=False
        ) as response:
            body = await _bounded(response, limit)
            if response.status != 200:
                text = body[:300].decode("utf-8", "replace").strip()
                raise ExchangeError(f"{method} {url} answered {response.status}: {text}")
            return body
    except TimeoutError as error:
        seconds = session.timeout.total
        raise ExchangeError(f"{method} {url} did not answer in {seconds:g} s") from error
    except aiohttp.ClientError as error:
        raise ExchangeError(f"{method} {url} failed: {error}") from error
    except ValueError as error:  # aiohttp's own for an address that is none.
        raise ExchangeError(f"{method} {url} is not possible: {error}") from error


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > limit:
            raise ExchangeError(
                f"{response.method} {response.url} answered more than {limit} bytes"
            )
    return bytes(body)


def pod_url(ip: str, port: int, path: str) -> str:
    """Return the address of a pod, whose IP may be of either family."""
    host = f"[{ip}]" if ":" in ip else ip
    return f"http://{host}:{port}{path}"
