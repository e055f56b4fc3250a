"""The client, and a server that answers it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from kubernetes.aio import client as official

from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.transport import Transport
from recommender_operator.resources.labels import MANAGER
from tests.unit.recommender_operator.controller.played_server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    result = Server()
    yield result
    result.close()


@pytest.fixture
async def kube(server: Server) -> AsyncIterator[OfficialKube]:
    async def log_in() -> official.Configuration:
        return official.Configuration(host=f"http://127.0.0.1:{server.http.server_port}")

    transport = Transport(log_in, concurrency=4, timeout=5)
    result = OfficialKube(transport, manager=MANAGER, pauses=(0.0, 0.0))
    yield result
    await result.close()
