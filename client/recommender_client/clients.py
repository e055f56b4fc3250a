"""The clients of an endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import httpx

from recommender_client.calls import Call, json_of, message_of, run_async, send
from recommender_client.connections import AsyncConnected, Connected
from recommender_client.errors import BadAnswer, InvalidQuery
from recommender_client.messages import Query, Recommendation, recommendations
from recommender_client.retries import Attempts, Retries

MODEL = "recommender"
ID_HEADER = "x-request-id"
DEADLINE_HEADER = "x-deadline-ms"
MOST_MS = 60_000  # of the header
DEFAULT_RETRIES = Retries()


class _Call(Call[list[Recommendation]]):
    """A call for recommendations."""

    def __init__(
        self, path: str, queries: Sequence[Query], attempts: Attempts, request_id: str | None
    ) -> None:
        super().__init__(attempts)
        self.path = path
        body = {"instances": [query.instance() for query in queries]}
        self.content = json.dumps(
            body, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        ).encode()
        self._of_caller = {} if request_id is None else {ID_HEADER: request_id}
        self._queries = queries

    def headers(self) -> dict[str, str]:
        """Return the headers of the next attempt; the server answers faster in a short time."""
        left = min(MOST_MS, max(1, int(1000 * self.attempts.left)))
        return {**super().headers(), DEADLINE_HEADER: str(left), **self._of_caller}

    def read(self, response: httpx.Response) -> list[Recommendation]:
        """Return the recommendations."""
        if response.status_code in (400, 413):
            raise InvalidQuery(message_of(response))
        if response.status_code != 200:
            raise BadAnswer(f"status {response.status_code}: {message_of(response)}")
        return recommendations(json_of(response), self._queries)


class _Settings:
    """The settings that both clients share."""

    def __init__(self, model: str, deadline: float, retries: Retries) -> None:
        if not deadline > 0:
            raise ValueError(f"deadline: got {deadline}; give seconds above 0")
        self.path = f"/v1/models/{model}:predict"
        self._deadline = deadline
        self._retries = retries

    def call(
        self, queries: Sequence[Query], deadline: float | None, request_id: str | None
    ) -> _Call:
        """Return a call that starts now."""
        seconds = self._deadline if deadline is None else deadline
        attempts = Attempts(self._retries, seconds, time.monotonic)
        return _Call(self.path, queries, attempts, request_id)


class Client(Connected):
    """A client that blocks; it keeps its connections and may be used by several threads.

    The deadline covers all attempts and the waits between them. Within the last attempt httpx
    bounds each step (connecting, sending, each read) by what is left, not their sum; the
    asynchronous client bounds the sum.
    """

    def __init__(
        self,
        base_url: str,
        *,
        host: str | None = None,
        model: str = MODEL,
        deadline: float = 1.0,
        retries: Retries = DEFAULT_RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connect to the Gateway at `base_url`, for the model at `host`; seconds of deadline."""
        self._settings = _Settings(model, deadline, retries)
        super().__init__(base_url, host, transport)

    def recommend(
        self, query: Query, *, deadline: float | None = None, request_id: str | None = None
    ) -> Recommendation:
        """Recommend for one query.

        Raises:
            InvalidQuery: the endpoint refuses the query.
            Unavailable: there is no answer within the deadline and the retries.
            BadAnswer: the answer is not what a recommender answers.
        """
        return self.recommend_all([query], deadline=deadline, request_id=request_id)[0]

    def recommend_all(
        self,
        queries: Sequence[Query],
        *,
        deadline: float | None = None,
        request_id: str | None = None,
    ) -> list[Recommendation]:
        """Recommend for up to 64 queries in one call, in order; it fails as a whole.

        Raises:
            InvalidQuery, Unavailable, BadAnswer: as for `recommend`.
        """
        return send(self._http, self._settings.call(queries, deadline, request_id))


class AsyncClient(AsyncConnected):
    """The same for asyncio; the deadline is exact."""

    def __init__(
        self,
        base_url: str,
        *,
        host: str | None = None,
        model: str = MODEL,
        deadline: float = 1.0,
        retries: Retries = DEFAULT_RETRIES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Connect to the Gateway at `base_url`, for the model at `host`; seconds of deadline."""
        self._settings = _Settings(model, deadline, retries)
        super().__init__(base_url, host, transport)

    async def recommend(
        self, query: Query, *, deadline: float | None = None, request_id: str | None = None
    ) -> Recommendation:
        """Recommend for one query; raises as `Client.recommend` does."""
        return (await self.recommend_all([query], deadline=deadline, request_id=request_id))[0]

    async def recommend_all(
        self,
        queries: Sequence[Query],
        *,
        deadline: float | None = None,
        request_id: str | None = None,
    ) -> list[Recommendation]:
        """Recommend for up to 64 queries in one call; raises as `Client.recommend` does."""
        return await run_async(self._http, self._settings.call(queries, deadline, request_id))
