"""`GET /v1/erasures/<model>`."""

from __future__ import annotations

import httpx
import pytest
from redis.exceptions import ConnectionError

from recommender_collector.api import erasure_routes
from recommender_collector.api.admin_routes import admin_app
from recommender_collector.api.erasure_routes import ErasureReports
from recommender_collector.store.erasure_store import Report

OPEN = Report(2_000_000, 2, files=1_000_500, lake=900_000, listed=1_001_000, ended=800_000)
ENDED = Report(2_000_000, listed=1_001_000, ended=1_002_000)


class Store:
    def __init__(self, report: Report | None, rewritten: int = 0, gone: bool = False) -> None:
        self.report, self.rewritten, self.gone = report, rewritten, gone

    async def read(self, model: str) -> tuple[Report | None, int]:
        if self.gone:
            raise ConnectionError("gone")
        return self.report, self.rewritten


async def get(store: Store, model: str = "shop", now: float = 2000.0) -> httpx.Response:
    reports = ErasureReports({"shop"}, store, lambda: now)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(admin_app(erasure_reports=reports))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
        return await client.get(f"/v1/erasures/{model}")


async def test_open_erasures_have_their_times_in_seconds() -> None:
    assert (await get(Store(OPEN))).json() == {
        "reported": True, "behind": False, "users": 2, "files": 1000.5, "lake": 900.0,
        "aof": None, "listed": 1001.0,
    }  # fmt: skip


@pytest.mark.parametrize(("rewritten", "aof"), [(0, 1002.0), (1_002_000, None)])
async def test_the_append_only_file_has_users_until_it_is_rewritten(
    rewritten: int, aof: float | None
) -> None:
    assert (await get(Store(ENDED, rewritten))).json()["aof"] == aof


async def test_a_writer_that_has_not_reported_for_long_is_behind() -> None:
    late = await get(Store(ENDED), now=2000 + erasure_routes.BEHIND_SECONDS + 1)
    assert late.json()["behind"] is True


async def test_a_writer_without_files_reports_nothing() -> None:
    assert (await get(Store(None))).json() == {"reported": False}


@pytest.mark.parametrize(
    ("model", "gone", "status", "words"),
    [("other", False, 404, "give one of shop"), ("shop", True, 503, "ask again")],
)
async def test_a_request_is_refused_with_words(
    model: str, gone: bool, status: int, words: str
) -> None:
    answer = await get(Store(ENDED, gone=gone), model)
    assert answer.status_code == status
    assert words in answer.text
