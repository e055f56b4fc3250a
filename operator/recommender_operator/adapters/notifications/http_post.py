"""One try to send to a receiver.

Errors have neither the address nor anything of the answer: the address of a webhook is a secret,
and errors go into Events and logs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

import aiohttp

from recommender_operator.adapters.notifications import receiver_secret
from recommender_operator.notifications import signing
from recommender_operator.notifications.bodies import Message
from recommender_operator.notifications.receivers import AddressError, Receiver, checked

TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
#: Statuses after which another try makes sense.
_PASSING = frozenset({408, 425, 429})


class PostError(Exception):
    """The receiver did not take it. `passes` is whether another try makes sense."""

    def __init__(self, message: str, *, passes: bool, after: float | None = None) -> None:
        super().__init__(message)
        self.passes = passes
        #: Seconds that the receiver asks to wait.
        self.after = after


class Poster(Protocol):
    """Sends a message to a receiver."""

    async def post(self, receiver: Receiver, message: Message) -> None:
        """Send a message once.

        Raises:
            PostError: the receiver did not take it.
        """
        ...


class HttpPoster:
    """A `Poster` over HTTP, to the allowed hosts alone."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        folder: Path,
        hosts: Collection[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`folder` has the entries of the Secret."""
        self._session = session
        self._folder = folder
        self._hosts = frozenset(hosts)
        self._clock = clock

    @classmethod
    def session(cls) -> aiohttp.ClientSession:
        """Return a client session that keeps no cookies; the caller closes it."""
        return aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())

    async def post(self, receiver: Receiver, message: Message) -> None:
        """Send a message once; a redirect is an error, and the body of an answer is not read."""
        try:
            known = await asyncio.to_thread(
                receiver_secret.read_credentials, self._folder, receiver.name
            )
            url = checked(known.url, self._hosts)
            if message.path and "?" in url:
                raise AddressError("its address has a query, which a base URL has not")
        except AddressError as error:
            # It is repaired in the Secret or in the values, which may take a moment to arrive.
            raise PostError(str(error), passes=True) from None
        headers = {"Content-Type": "application/json", "User-Agent": "recommender-operator"}
        if known.key is not None:
            at = int(self._clock())
            headers |= {"webhook-id": message.id, "webhook-timestamp": str(at)}
            headers |= signing.headers(known.key, message.id, at, message.body)
        if known.token:
            headers["Authorization"] = f"Bearer {known.token}"
        url = url.rstrip("/") + message.path if message.path else url
        await self._send(url, message.body, headers)

    async def _send(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                status, after = response.status, response.headers.get("Retry-After", "")
                # Its body is of no interest, and could be endless.
                response.close()
        except TimeoutError:
            raise PostError(f"no answer in {TIMEOUT.total:g} s", passes=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Only the class: the texts of these have the address.
            raise PostError(f"no answer: {type(error).__name__}", passes=True) from None
        if not 200 <= status < 300:
            passes = status in _PASSING or status >= 500
            raise PostError(f"it answered {status}", passes=passes, after=_seconds(after))


def _seconds(text: str) -> float | None:
    return float(text) if text.isdecimal() and len(text) < 6 else None
