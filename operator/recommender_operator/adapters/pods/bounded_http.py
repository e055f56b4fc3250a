"""One HTTP request with a size limit for the response, and errors that people can act on.

Errors contain nothing of the response: they go into statuses, Events and logs, whose readers may
not be allowed to read the server's data.
"""

from __future__ import annotations

import aiohttp

#: Time limit of a request to a pod, in seconds, including the connection. A pass that withdraws
#: traffic from a deleted pod waits for this time.
TIMEOUT = aiohttp.ClientTimeout(total=5, connect=1)
#: Media types that an error may contain; any other could be arbitrary text.
MEDIA_TYPES = frozenset({"application/json", "text/html", "text/plain"})


class ExchangeError(Exception):
    """There is no usable response; the message has the cause, but no content of the response."""


class TooLargeError(ExchangeError):
    """The body of the response exceeds the limit."""


async def exchange(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    limit: int,
    json: object = None,
    params: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> bytes:
    """Return the body of a response with status 200 and at most `limit` bytes.

    Redirects are not followed: a pod must not redirect the operator.

    Raises:
        ExchangeError: there is no response in time, or another status.
        TooLargeError: the body is larger.
    """
    try:
        async with session.request(
            method, url, json=json, params=params, headers=headers, allow_redirects=False
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
    except ValueError as error:  # aiohttp's error for an invalid URL.
        raise ExchangeError(f"{method} {url} is not possible: no valid address") from error


def media_type(text: str) -> str:
    """Return a media type that an error may contain."""
    return text if text in MEDIA_TYPES else "another type"


def _cause(error: aiohttp.ClientError) -> str:
    """Return why a connection failed.

    The message of an OSError comes from the system. Others, such as for an invalid status line,
    quote the response.
    """
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error).__name__
    return type(error).__name__


async def _bounded(response: aiohttp.ClientResponse, limit: int, what: str) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > limit:
            raise TooLargeError(f"{what} returned more than {limit} bytes")
    return bytes(body)


def pod_url(ip: str, port: int, path: str) -> str:
    """Return the address of a pod with an IPv4 or IPv6 address."""
    host = f"[{ip}]" if ":" in ip else ip
    return f"http://{host}:{port}{path}"
