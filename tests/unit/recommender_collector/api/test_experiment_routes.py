"""`GET /v1/experiments/<model>/<id>`."""

from __future__ import annotations

import httpx
import pytest
from redis.exceptions import ConnectionError

from recommender_collector.api.admin_routes import admin_app
from recommender_collector.api.experiment_routes import Reports
from recommender_collector.domain.formats import Damaged
from recommender_collector.experiments.experiment import Spans
from recommender_collector.experiments.moments import COMPONENTS, Moments, UserMoments
from recommender_collector.store.experiment_store import Account

NEW = "eeeeeeee"  # nothing is known of it
DID = {
    "answers": 2, "clicks": 1, "converted": 1, "dwell": 1500, "purchases": 1, "revenue": 4500,
    "sessions": 1,
}  # fmt: skip
ONE = UserMoments("shop-a", False, tuple(DID.get(name, 0) for name in COMPONENTS), ())


class Store:
    def __init__(self, gone: bool = False) -> None:
        self.gone = gone

    async def read(
        self, model: str, name: str, spans: Spans, *, is_measure: bool = False
    ) -> Account:
        if name == NEW:
            return Account(1795.5, {}, {}, ignored=is_measure)
        if name == "dddddddd":
            raise Damaged("its moments are not numbers", name)
        if self.gone:
            raise ConnectionError("gone")
        moments = Moments()
        moments.add(ONE, 1)
        return Account(1795.5, {1: 1_000_500, 0: 7000}, {1: {"b": moments, "a": Moments(mixed=1)}})


async def get(path: str, gone: bool = False) -> httpx.Response:
    app = admin_app(reports=Reports({"shop": Spans(1, 1)}, Store(gone)))  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
        return await client.get(path)


async def test_phases_and_arms_are_in_order_and_numbers_in_their_units() -> None:
    answer = (await get("/v1/experiments/shop/0a1b2c3d")).json()
    assert answer["experiment"] == "0a1b2c3d"
    assert (answer["watermark"], answer["ignored"]) == (1795.5, False)
    first, second = answer["phases"]
    assert first == {"phase": 0, "since": 7.0, "arms": []}
    assert (second["since"], [each["arm"] for each in second["arms"]]) == (1000.5, ["a", "b"])
    empty, full = second["arms"]
    assert (empty["users"], empty["mixed"]) == (0, 1)
    assert (full["users"], full["sums"]["revenue"], full["sums"]["dwell"]) == (1, 4.5, 1.5)
    assert full["products"]["dwell*revenue"] == 1.5 * 4.5
    assert full["products"]["answers*revenue"] == 9
    assert set(empty["products"].values()) == {0}


@pytest.mark.parametrize(("query", "ignored"), [("", False), ("?kind=holdout", True)])
async def test_whether_there_is_room_for_a_new_one_depends_on_its_kind(
    query: str, ignored: bool
) -> None:
    answer = (await get(f"/v1/experiments/shop/{NEW}{query}")).json()
    assert answer["ignored"] is ignored


@pytest.mark.parametrize(
    ("path", "gone", "status", "said"),
    [
        ("news/0a1b2c3d", False, 404, "give one of shop"),
        ("shop/0A1B2C3D", False, 400, "8 lowercase hex digits"),
        ("shop/0a1b2c3d?details=x", False, 400, "give the number of a phase"),
        ("shop/0a1b2c3d?kind=shop", False, 400, "kind: got 'shop'; give holdout"),
        ("shop/0a1b2c3d?details=100", False, 400, "give the number of a phase"),
        ("shop/0a1b2c3d", True, 503, "ask again"),
        ("shop/dddddddd", False, 503, "not numbers; abort the rollout"),
    ],
)
async def test_what_cannot_be_answered_has_a_status_and_a_remedy(
    path: str, gone: bool, status: int, said: str
) -> None:
    answer = await get(f"/v1/experiments/{path}", gone)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert ("retry-after" in answer.headers) == (status == 503)
