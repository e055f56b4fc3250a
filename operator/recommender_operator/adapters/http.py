"""One HTTP exchange with a bounded answer, and errors in words a person can act upon.

Nothing that the other side sent goes into an error: errors end in statuses, Events and logs, which
people read who may not read the other side.
"""

from __future__ import annotations

import aiohttp

#: Seconds for one exchange with a pod, connection included. A pod that is gone answers no
#: connection, and the look that takes its requests away waits so long for it.
TIMEOUT = aiohttp.ClientTimeout(total=5, connect=1)
#: Media types that an error may name; any other is text of the other side.
MEDIA_TYPES = frozenset({"application/json", "text/html", "text/plain"})


class ExchangeError(Exception):
    """The exchange gave no usable answer; the text says why, without a word of the answer."""


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
            body = await _bounded(response, limit, f"{method} {url}")
            if response.status != 200:
                kind = media_type(response.content_type)
                raise ExchangeError(
                    f"{method} {url} answered {response.status} with {len(body)} bytes of {kind}"
                )
            return body
    except TimeoutError as error:
        seconds = session.timeout.total
        raise ExchangeError(f"{method} {url} did not answer in {seconds:g} s") from error
    except aiohttp.InvalidURL as error:
        raise ExchangeError(f"{method} {url} is not possible: no valid address") from error
    except aiohttp.ClientError as error:
        raise ExchangeError(f"{method} {url} failed: {_cause(error)}") from error
    except ValueError as error:  # aiohttp's own for an address that is none.
        raise ExchangeError(f"{method} {url} is not possible: no valid address") from error


def media_type(text: str) -> str:
    """Return a media type that an error may name."""
    return text if text in MEDIA_TYPES else "another type"


def _cause(error: aiohttp.ClientError) -> str:
    """Return why a connection failed.

    The text of an OSError is the system's. Others, such as that of a bad status line, quote what
    was received.
    """
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error).__name__
    return type(error).__name__


async def _bounded(response: aiohttp.ClientResponse, limit: int, what: str) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > limit:
            raise ExchangeError(f"{what} answered more than {limit} bytes")
    return bytes(body)


def pod_url(ip: str, port: int, path: str) -> str:
    """Return the address of a pod, whose IP may be of either family."""
    host = f"[{ip}]" if ":" in ip else ip
    return f"http://{host}:{port}{path}"
