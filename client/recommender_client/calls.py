"""One call by httpx, repeated until it succeeds or its deadline is over."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Generic, TypeVar

import httpx

from recommender_client.errors import BadAnswer, Unavailable
from recommender_client.retries import TRANSIENT, Attempts

Answer = TypeVar("Answer")


class Call(Generic[Answer]):
    """A request, and the meaning of its answer."""

    path: str
    content: bytes
    transient = TRANSIENT

    def __init__(self, attempts: Attempts) -> None:
        self.attempts = attempts
        self._reason: object = "no attempt was made"
        self._least_wait = 0.0

    def headers(self) -> dict[str, str]:
        """Return the headers of the next attempt."""
        return {"content-type": "application/json"}

    def read(self, response: httpx.Response) -> Answer:
        """Return the result of a response that no other attempt would change.

        Raises:
            ClientError: it is a refusal, or not understood.
        """
        raise NotImplementedError

    def answer(self, response: httpx.Response) -> Answer | None:
        """Return the answer; None if another attempt may help."""
        if response.status_code not in self.transient:
            return self.read(response)
        self._reason = f"status {response.status_code}: {message_of(response)}"
        self._least_wait = self.asked_to_wait(response)
        return None

    def asked_to_wait(self, response: httpx.Response) -> float:
        """Return the seconds that a response asks to wait at least."""
        del response
        return 0.0

    def failed(self, error: Exception) -> None:
        """Remember why an attempt failed."""
        self._reason = f"{type(error).__name__}: {error}"
        self._least_wait = 0.0

    def wait(self) -> float:
        """Return the seconds until the next attempt.

        Raises:
            Unavailable: there is none.
        """
        wait = self.attempts.wait(self._least_wait)
        if wait is None:
            raise Unavailable(
                f"no answer in {self.attempts.failed} attempts; the last: {self._reason}"
            )
        return wait


def send(http: httpx.Client, call: Call[Answer]) -> Answer:
    """Make a call and block until its end.

    Raises:
        ClientError: see the call.
    """
    while True:
        try:
            response = http.post(
                call.path,
                content=call.content,
                headers=call.headers(),
                timeout=call.attempts.left,
            )
            if (found := call.answer(response)) is not None:
                return found
        except httpx.TransportError as error:
            call.failed(error)
        time.sleep(call.wait())


async def run_async(http: httpx.AsyncClient, call: Call[Answer]) -> Answer:
    """Make a call; its deadline is exact.

    Raises:
        ClientError: see the call.
    """
    while True:
        try:
            async with asyncio.timeout(call.attempts.left):
                response = await http.post(
                    call.path, content=call.content, headers=call.headers(), timeout=None
                )
            if (found := call.answer(response)) is not None:
                return found
        except (httpx.TransportError, TimeoutError) as error:
            call.failed(error)
        await asyncio.sleep(call.wait())


def json_of(response: httpx.Response) -> Any:
    """Return the body of a response.

    Raises:
        BadAnswer: it is not JSON.
    """
    try:
        return response.json()
    except ValueError as error:
        raise BadAnswer("the answer is not JSON") from error


def message_of(response: httpx.Response) -> str:
    """Return the error that a response tells, else the start of its text."""
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
