"""A collector that counts users who arrive at a constant rate."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from recommender_operator.adapters.kinds import VERSIONS
from recommender_operator.adapters.objects.parsed_objects import version_object
from recommender_operator.controller.client import OfficialKube
from tests.ports import free_port
from tests.unit.recommender_operator.simulation.users import Users

PLAN: dict[str, Any] = {
    "primary": [{"metric": "ClickThroughRate", "smallestEffect": 0.1}],
    "guardrails": [{"metric": "ClickThroughRate", "largestLoss": 0.1}],
    "minDays": 0,
    "maxDays": 1,
}
#: So many that a measured step takes seconds.
PER_HOUR = 10_000_000
#: Share of the users of a better version who click; of others it is 0.2.
BETTER = 0.3


class Collector:
    """Answers what users did, from what is stored of the versions."""

    def __init__(self, kube: OfficialKube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        #: Share of the users of a version who click; None for the usual one.
        self.clicks: Callable[[str], float | None] = lambda _version: None

    async def _answer(self, request: web.Request) -> web.Response:
        found = await self._kube.list(VERSIONS, self._namespace, {})
        versions = [version_object(thing) for thing in found]
        users = Users(per_hour=PER_HOUR)
        for version in versions:
            if (share := self.clicks(version.name)) is not None:
                users.clicks[version.name] = share
        reading = users.reading(versions, datetime.datetime.now(datetime.UTC))
        if reading is None or reading.body["experiment"] != request.match_info["id"]:
            raise web.HTTPNotFound
        return web.json_response(dict(reading.body))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/v1/experiments/movies/{id}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port).start()
        try:
            yield
        finally:
            await runner.cleanup()
