"""Lists of which only some fields are parsed."""

from __future__ import annotations

import msgspec
import pytest

from recommender_operator.adapters.kinds import HTTP_ROUTES
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import KubeError
from tests.unit.recommender_operator.controller.played_server import Server, failure


class Named(msgspec.Struct):
    name: str


async def test_they_are_read_page_by_page_and_other_fields_are_skipped(
    server: Server, kube: OfficialKube
) -> None:
    server.says(200, {"items": [{"name": "a", "more": {}}], "metadata": {"continue": "next"}})
    server.says(200, {"kind": "List", "items": [{"name": "b"}], "metadata": {}})
    assert await kube.list_fields(HTTP_ROUTES, None, Named) == [Named("a"), Named("b")]
    first, second = (request[1] for request in server.requests)
    assert first == "/apis/gateway.networking.k8s.io/v1/httproutes?limit=500"
    assert second == first + "&continue=next"


async def test_a_kind_that_is_not_served_and_an_empty_list_have_none(
    server: Server, kube: OfficialKube
) -> None:
    server.says(404, failure(404, "NotFound"))
    server.says(200, {"items": None, "metadata": {"resourceVersion": "1"}})
    for _ in range(2):
        assert await kube.list_fields(HTTP_ROUTES, "team", Named) == []


async def test_another_type_is_an_error_of_the_request_that_names_kind_and_field(
    server: Server, kube: OfficialKube
) -> None:
    server.says(200, {"items": [{"name": "a"}, {"name": 7}], "metadata": {}})
    with pytest.raises(KubeError, match=r"httproutes\.gateway.*`\$\.items\[1\]\.name`"):
        await kube.list_fields(HTTP_ROUTES, "team", Named)
