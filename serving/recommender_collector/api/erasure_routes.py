"""`GET /v1/erasures/<model>`: how far erasures of users are, for the operator; names none."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import orjson
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from recommender_collector.api.event_routes import failure
from recommender_collector.api.request_bodies import Refused, require_model, unavailable
from recommender_collector.store.erasure_store import ErasureStore, Report, in_aof

PATH = "/v1/erasures/{model}"
#: The writer reports once a minute, and an erasure that it has not read is not in its report.
BEHIND_SECONDS = 600.0


class ErasureReports:
    """Answers how far the erasures of a model are."""

    def __init__(
        self,
        models: Collection[str],
        store: ErasureStore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._models = models
        self._store = store
        self._clock = clock

    async def get(self, request: Request) -> Response:
        """Answer 200; `reported` is false without a writer of files."""
        model = request.path_params["model"]
        try:
            require_model(model, self._models)
            report, rewritten = await self._read(model)
        except Refused as refused:
            return failure(refused)
        told = shown(report, rewritten, self._clock())
        return Response(orjson.dumps(told), media_type="application/json")

    async def _read(self, model: str) -> tuple[Report | None, int]:
        try:
            return await self._store.read(model)
        except (RedisError, OSError) as error:
            raise unavailable(error) from None


def shown(report: Report | None, rewritten: int, now: float) -> dict[str, object]:
    """Return the answer. Times are seconds since 1970, and null for what there is none of."""
    if report is None:
        return {"reported": False}
    return {
        "reported": True,
        "behind": now - report.through / 1000 > BEHIND_SECONDS,
        "users": report.users,
        "files": _seconds(report.files),
        "lake": _seconds(report.lake),
        "aof": _seconds(in_aof(report, rewritten)),
        "listed": _seconds(report.listed),
    }


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
