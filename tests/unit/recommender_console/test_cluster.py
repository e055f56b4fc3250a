"""What the console asks the API server about pods."""

from __future__ import annotations

import ssl

from aiohttp import web
from aiohttp.test_utils import TestServer

from recommender_console import object_details
from recommender_console.cluster import PODS, Cluster
from tests.unit.recommender_console.test_object_details import READY


async def test_the_pods_of_a_version_are_read_as_the_visitor_and_those_that_are_ready_named() -> (
    None
):
    asked: list[web.Request] = []

    async def pods(request: web.Request) -> web.Response:
        asked.append(request)
        other = {**READY, "status": {**READY["status"], "podIP": "fd00::7"}}
        return web.json_response({"items": [READY, {"metadata": {"name": "new"}}, other]})

    app = web.Application()
    app.add_routes([web.get("/api/v1/namespaces/team-a/pods", pods)])
    async with TestServer(app) as server:
        cluster = Cluster(str(server.make_url("/")).rstrip("/"), ssl.create_default_context())
        assert await cluster.addresses("t", "team-a", "v") == ("10.0.0.7", "fd00::7")
        await cluster.close()
    (request,) = asked
    assert request.headers["Authorization"] == "Bearer t"
    assert dict(request.query) == {
        "labelSelector": object_details.pods_of("v"),
        "limit": str(PODS),
    }
