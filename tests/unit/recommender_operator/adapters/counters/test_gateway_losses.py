"""Requests that the Gateway lost, beside the counters of the pods."""

import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from recommender_operator.adapters.counters.gateway_losses import (
    MAX_INSTANCES,
    GatewayLosses,
    WithGateway,
    parse_losses,
)
from recommender_operator.adapters.counters.prometheus import Queries
from recommender_operator.adapters.counters.sample_provider import SampleError
from recommender_operator.analysis.counter_window import LOST_AT_GATEWAY
from recommender_operator.analysis.window_filling import NAMES
from recommender_operator.api import base_url
from recommender_operator.observed import Sample
from tests.unit.recommender_operator.adapters.podserver import Handler, answering, serving

TEMPLATE = base_url.query_template(
    'lost{service=~"httproute-$namespace-.+-svc-$namespace-$service-[0-9]+@.+"}'
)
OF_PODS: Sample = {"a": {"recommender_sessions_total": 3.0}}


def body(*rows: tuple[dict[str, str], str]) -> bytes:
    result = [{"metric": labels, "value": [1.7e9, value]} for labels, value in rows]
    data = {"resultType": "vector", "result": result}
    return json.dumps({"status": "success", "data": data}).encode()


class Pods:
    """A `SampleProvider` of one pod."""

    async def sample(self, *_: Any, **__: Any) -> Sample:
        return OF_PODS


async def asked(
    handler: Handler, *, namespace: str = "shop", version: str = "films-1", **more: Any
) -> Sample:
    async with serving(handler) as port, aiohttp.ClientSession() as session:
        losses = GatewayLosses(Queries(session), f"http://127.0.0.1:{port}", TEMPLATE)
        return await WithGateway(Pods(), losses).sample(namespace, version, [], **more)


async def test_the_losses_of_each_gateway_pod_are_added_to_the_counters_of_the_pods() -> None:
    rows = body(
        ({"pod": "traefik-0", "method": "POST"}, "3"),
        ({"pod": "traefik-0", "method": "GET"}, "2"),
        ({"instance": "10.0.0.9:8082"}, "4"),
        ({}, "1"),
    )
    assert await asked(answering(rows)) == {
        **OF_PODS,
        "gateway/traefik-0": {LOST_AT_GATEWAY: 5},
        "gateway/10.0.0.9:8082": {LOST_AT_GATEWAY: 4},
        "gateway/unknown": {LOST_AT_GATEWAY: 1},
    }


async def test_a_gateway_that_lost_nothing_adds_nothing() -> None:
    assert await asked(answering(body())) == OF_PODS


async def test_the_query_has_the_names_of_the_version_and_no_name_widens_it() -> None:
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.query["query"])
        return web.Response(body=body())

    await asked(handler)
    await asked(handler, version='x.*"} or {a="')
    assert seen == [
        'lost{service=~"httproute-shop-.+-svc-shop-films-1-transformer-[0-9]+@.+"}',
        r'lost{service=~"httproute-shop-.+-svc-shop-x\\.\\*\"\\}\\ or\\ \\{a=\"'
        '-transformer-[0-9]+@.+"}',
    ]


async def test_a_reading_of_other_counters_does_not_ask_the_gateway() -> None:
    async def handler(_: web.BaseRequest) -> web.Response:
        raise AssertionError

    assert await asked(handler, only=NAMES) == OF_PODS


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"<html>", "not a response of Prometheus"),
        (body(({"pod": "t"}, "NaN")), r"data\.result\[0\] is nan"),
    ],
)
async def test_unknown_losses_are_an_error_with_the_version_and_the_setting(
    answer: bytes, why: str
) -> None:
    with pytest.raises(SampleError, match=rf"shop/films-1: .*{why}.*gateway\.lostRequests"):
        await asked(answering(answer))


def test_the_number_of_gateway_pods_is_bounded() -> None:
    rows = [({"pod": f"traefik-{i}"}, "1") for i in range(MAX_INSTANCES + 1)]
    assert len(parse_losses(body(*rows[1:]))) == MAX_INSTANCES
    with pytest.raises(ValueError, match="201 Gateway pods, at most 200"):
        parse_losses(body(*rows))


@pytest.mark.parametrize("text", ["up", "a{$namespace}", "$namespace $service $other", "$"])
def test_a_template_has_exactly_the_two_names(text: str) -> None:
    with pytest.raises(ValueError, match=r"\$namespace and \$service"):
        base_url.query_template(text)
