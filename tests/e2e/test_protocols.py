"""A served model answers over each protocol, through the Gateway."""

from __future__ import annotations

import http
import http.client
import urllib.parse
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http

from tests.scenario.world import World

pytestmark = pytest.mark.e2e
Answer = dict[str, Any]


def address(world: World) -> str:
    return urllib.parse.urlsplit(world.gateway).netloc


def request(module: Any) -> list[Any]:
    user = module.InferInput("user_id", [1], "INT64")
    user.set_data_from_numpy(np.array([42]))
    return [user]


def over_v1(world: World) -> Answer:
    found = world.answer()
    return {"items": found["items"], "source": found["source"], "version": found["version"]}


def over_v2_http(world: World) -> Answer:
    with tritonclient.http.InferenceServerClient(address(world)) as client:
        result = client.infer(
            "recommender", request(tritonclient.http), headers={"Host": world.host}
        )
    return outputs(result)


def over_v2_grpc(world: World) -> Answer:
    routed = [("grpc.default_authority", world.host)]
    with tritonclient.grpc.InferenceServerClient(address(world), channel_args=routed) as client:
        assert client.is_model_ready("recommender")
        result = client.infer("recommender", request(tritonclient.grpc), client_timeout=10)
    return outputs(result)


def outputs(result: Any) -> Answer:
    names = ("source", "version")
    first = {name: result.as_numpy(name).ravel()[0].decode() for name in names}
    return {"items": result.as_numpy("item_ids").ravel().tolist(), **first}


def check(world: World, answer: Answer) -> None:
    assert len(answer["items"]) > 0
    assert answer["source"] == "model"
    assert answer["version"] == world.champion


@pytest.mark.parametrize("ask", [over_v1, over_v2_http])
def test_given_a_champion_when_asked_over_http_then_the_model_itself_answers(
    champion: World, ask: Callable[[World], Answer]
) -> None:
    check(champion, ask(champion))


def test_given_a_champion_when_a_client_asks_for_its_metrics_then_it_does_not_get_them(
    champion: World,
) -> None:
    assert status_of(champion, "/openapi.json") == http.HTTPStatus.OK
    assert status_of(champion, "/metrics") == http.HTTPStatus.NOT_FOUND
    for path in ("//metrics", "/v1/../metrics", "/v1/%2e%2e/metrics", "/docs/../metrics"):
        assert status_of(champion, path) != http.HTTPStatus.OK, path


def status_of(world: World, path: str) -> int:
    connection = http.client.HTTPConnection(address(world), timeout=10)
    try:
        connection.request("GET", path, headers={"Host": world.host})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("world", ["Gateway"], indirect=True)
def test_given_a_champion_when_asked_over_grpc_then_the_model_itself_answers(
    champion: World,
) -> None:
    check(champion, over_v2_grpc(champion))
