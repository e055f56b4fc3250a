"""The clients of a collector."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import httpx

from recommender_client.calls import Call, json_of, message_of, run_async, send
from recommender_client.connections import AsyncConnected, Connected
from recommender_client.errors import BadAnswer, ClientError, Unavailable
from recommender_client.events import Batch, UserEvent, batches
from recommender_client.receipts import BadReceipt, InvalidEvents, Receipt, Undelivered, receipt
from recommender_client.retries import TRANSIENT, Attempts, Retries

PATH = "/v1/events"
#: Nobody waits for an event, and a collector that is busy asks for a second.
DEADLINE = 10.0
RETRIES = Retries(count=8, first=0.1, most=2.0)


class _Call(Call[Receipt]):
    """One request of events."""

    path = PATH
    transient = TRANSIENT | {500}  # a repeat of an event counts once

    def __init__(self, batch: Batch, attempts: Attempts) -> None:
        super().__init__(attempts)
        self.content = batch.body
        self._events = batch.events

    def read(self, response: httpx.Response) -> Receipt:
        """Return the receipt, also if some or all events are rejected."""
        if response.status_code not in (200, 207, 400, 401, 413):
            raise BadAnswer(f"status {response.status_code}: {message_of(response)}")
        if response.status_code in (401, 413):
            raise InvalidEvents(message_of(response))
        body = json_of(response)
        if response.status_code == 400 and isinstance(body, dict) and "error" in body:
            raise InvalidEvents(message_of(response))
        return receipt(body, self._events)

    def asked_to_wait(self, response: httpx.Response) -> float:
        """Return the seconds of Retry-After; a date counts as none."""
        text = response.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() else 0.0


class _Sending:
    """The requests of one `send`, and what has come of them; within one deadline."""

    def __init__(self, events: Sequence[UserEvent], retries: Retries, deadline: float) -> None:
        self._events = tuple(events)
        self._retries = retries
        self._end = time.monotonic() + deadline
        self.receipt = Receipt()
        self._done = 0

    def calls(self) -> Iterator[_Call]:
        """Yield the calls to make, one after another."""
        for batch in batches(self._events):
            left = self._end - time.monotonic()
            yield _Call(batch, Attempts(self._retries, left, time.monotonic))
            self._done += len(batch.events)

    def failed(self, error: ClientError) -> ClientError:
        """Return the error with the receipt and the events that are not acknowledged."""
        left = self._events[self._done :]
        if isinstance(error, Unavailable):
            return Undelivered(str(error), self.receipt, left)
        kind = InvalidEvents if isinstance(error, InvalidEvents) else BadReceipt
        return kind(str(error), self.receipt, left)


def _key(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"authorization": f"Bearer {api_key}"}


class EventClient(Connected):
    """A client that blocks; it keeps its connections and may be used by several threads."""

    def __init__(
        self,
        base_url: str,
        *,
        host: str | None = None,
        api_key: str | None = None,
        deadline: float = DEADLINE,
        retries: Retries = RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connect to the collector at `base_url`; `deadline` is in seconds.

        `api_key` says who sends the events, if the collector asks for a key.
        """
        self._deadline, self._retries = deadline, retries
        super().__init__(base_url, host, transport)
        self._http.headers.update(_key(api_key))

    def send(self, *events: UserEvent, deadline: float | None = None) -> Receipt:
        """Send events, in requests of up to 1,000, until each is durable or rejected.

        Raises:
            Undelivered: some are not acknowledged in time; it has them.
            InvalidEvents: the collector refuses a request as a whole.
            BadReceipt: the answer is not what a collector answers.
            Each has the `receipt` so far, and the `events` that are not acknowledged.
        """
        sending = _Sending(events, self._retries, self._deadline if deadline is None else deadline)
        for call in sending.calls():
            try:
                sending.receipt += send(self._http, call)
            except ClientError as error:
                raise sending.failed(error) from error
        return sending.receipt


class AsyncEventClient(AsyncConnected):
    """The same for asyncio; the deadline is exact."""

    def __init__(
        self,
        base_url: str,
        *,
        host: str | None = None,
        api_key: str | None = None,
        deadline: float = DEADLINE,
        retries: Retries = RETRIES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Connect to the collector at `base_url`; `deadline` is in seconds.

        `api_key` says who sends the events, if the collector asks for a key.
        """
        self._deadline, self._retries = deadline, retries
        super().__init__(base_url, host, transport)
        self._http.headers.update(_key(api_key))

    async def send(self, *events: UserEvent, deadline: float | None = None) -> Receipt:
        """Send events; raises as `EventClient.send` does."""
        sending = _Sending(events, self._retries, self._deadline if deadline is None else deadline)
        for call in sending.calls():
            try:
                sending.receipt += await run_async(self._http, call)
            except ClientError as error:
                raise sending.failed(error) from error
        return sending.receipt
