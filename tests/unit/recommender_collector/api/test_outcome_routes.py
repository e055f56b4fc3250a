"""`GET /v1/outcomes/<model>/<version>`."""

from __future__ import annotations

import httpx
import pytest
from redis.exceptions import ConnectionError

from recommender_collector.api.admin_routes import admin_app
from recommender_collector.api.outcome_routes import OutcomeReports
from recommender_collector.outcomes.outcome_sums import OutcomeSums, user_outcomes
from recommender_collector.outcomes.predictions import LabelRule
from recommender_collector.store.outcome_store import Account
from recommender_contract.events import Kind

RULE = LabelRule(frozenset({Kind.CLICK}), 3_600_000, 600_000)


class Store:
    def __init__(self, gone: bool = False) -> None:
        self.gone = gone

    async def read(self, model: str, version: str, rule: LabelRule) -> Account:
        if self.gone:
            raise ConnectionError("gone")
        sums = OutcomeSums()
        sums.add(user_outcomes([(250_000, True, 0), (500_000, False, 0)]), 1)
        return Account(1795.5, {8: sums, 7: OutcomeSums()}, rule.closes_after, ignored=3)


async def get(path: str, gone: bool = False) -> httpx.Response:
    rules = {"shop": RULE, "news": None}
    app = admin_app(outcome_reports=OutcomeReports(rules, Store(gone)))  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
        return await client.get(path)


async def test_days_are_in_order_and_numbers_in_their_units() -> None:
    answer = (await get("/v1/outcomes/shop/shop-0a1b2c3d")).json()
    assert (answer["version"], answer["counts"]) == ("shop-0a1b2c3d", True)
    assert (answer["watermark"], [each["day"] for each in answer["days"]]) == (1795.5, [7, 8])
    assert (answer["ignored"], answer["closesAfterSeconds"]) == (3, 4200)
    empty, full = answer["days"]
    assert (empty["users"], full["users"]) == (0, 1)
    sums = full["sums"]
    assert (sums["predictions"], sums["predicted"], sums["labels"]) == (2, 0.75, 1)
    assert full["products"]["labels*predicted"] == 0.75
    assert full["bins"][7] == {
        "predictions": 1, "predicted": 0.25, "labels": 1, "gap*gap": 0.5625,
        "gap*predictions": 0.75, "predictions*predictions": 1,
    }  # fmt: skip
    assert len(full["bins"]) == 10


async def test_a_label_that_is_no_outcome_counts_nothing() -> None:
    answer = (await get("/v1/outcomes/news/news-0a1b2c3d")).json()
    assert answer == {"version": "news-0a1b2c3d", "counts": False, "days": []}


@pytest.mark.parametrize(
    ("path", "gone", "status", "said"),
    [
        ("books/books-0a1b2c3d", False, 404, "give one of news, shop"),
        ("shop/Shop!", False, 400, "the name of a version"),
        ("shop/shop-0a1b2c3d", True, 503, "ask again"),
    ],
)
async def test_what_cannot_be_answered_has_a_status_and_a_remedy(
    path: str, gone: bool, status: int, said: str
) -> None:
    answer = await get(f"/v1/outcomes/{path}", gone)
    assert answer.status_code == status
    assert said in answer.json()["error"]
