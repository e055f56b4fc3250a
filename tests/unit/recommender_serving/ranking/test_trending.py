"""Popularity lists follow what is popular now, as far as it is known."""

from __future__ import annotations

import asyncio
import dataclasses
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_contract.online_store import RANKED_TRENDS, segment_of
from recommender_serving.artifact.popularity import Listed, Segments, build_popularity
from recommender_serving.artifact.popularity_file import PopularityFile
from recommender_serving.ranking import trending
from recommender_serving.ranking.trending import LISTS, MOST, PRIOR, Trending, mix
from recommender_serving.store.trend_reader import Trends
from recommender_serving.store.user_reader import StoreError
from tests.unit.recommender_serving.serving_calendars import CALENDARS
from tests.unit.recommender_serving.serving_fakes import GOOD, Parts, failing, giving
from tests.unit.recommender_serving.serving_samples import (
    POPULARITY,
    SHOP,
    request,
    sample_artifact,
    vocabulary_of,
)

OVERALL: Listed = tuple(zip(POPULARITY["items"], POPULARITY["scores"], strict=True))
OPENED = {"name": "opened", "of": "context", "kind": "Timestamp", **CALENDARS[0]}
PHONE = segment_of({"device": "phone", "logged_in": "true"})
CONTEXT = {"device": "phone", "logged_in": "true"}


def segments(*further: dict[str, Any]) -> Segments:
    content = POPULARITY | {
        "segments": {
            "features": ["plan", "device", "logged_in", *(each["name"] for each in further)],
            "lists": [],
            "users": {"ids": [], "values": []},
        }
    }
    words = SHOP | {"features": [*SHOP["features"], *further]}
    built = build_popularity(
        PopularityFile.model_validate(content), vocabulary_of(words).features
    ).segments
    assert built is not None
    return built


class Desk:
    """Trends that are given, or fail, at a time that is given."""

    def __init__(self, trends: Trends, of: Segments | None = None) -> None:
        self.trends: Trends | Exception = trends
        self.now = 100.0
        self.trending = Trending(self, range(50), of, lambda: self.now)

    async def read(self) -> Trends:
        if isinstance(self.trends, Exception):
            raise self.trends
        return self.trends

    async def close(self) -> None:
        return

    async def first(self, **fields: Any) -> int:
        return self.trending.list_of(request(**fields), OVERALL)[0][0]


async def test_many_events_now_outweigh_the_list_and_few_do_not() -> None:
    desk = Desk(Trends({12: 10.0}))
    await desk.trending.refresh()
    assert await desk.first() == 7
    desk.trends = Trends({12: 1000.0})
    assert await desk.first() == 7, "until the next read"
    await desk.trending.refresh()
    assert await desk.first() == 12


async def test_items_that_the_version_does_not_know_are_left_out() -> None:
    desk = Desk(Trends({99: 1e6, 8: 1e5}))
    await desk.trending.refresh()
    listed = desk.trending.list_of(request(), OVERALL)
    assert listed[0][0] == 8
    assert 99 not in dict(listed)


async def test_trends_are_used_for_a_minute_after_they_were_read() -> None:
    desk = Desk(Trends({12: 1e6}))
    assert await desk.first() == 7, "nothing is read yet"
    await desk.trending.refresh()
    desk.trends = StoreError("gone")
    with pytest.raises(StoreError):
        await desk.trending.refresh()
    desk.now += 59
    assert await desk.first() == 12
    desk.now += 1
    assert await desk.first() == 7


async def test_models_get_the_items_with_most_events_unknown_ones_included() -> None:
    counts = {item: float(item) for item in range(RANKED_TRENDS + 5)}
    desk = Desk(Trends(counts))
    assert not desk.trending.ranked, "nothing is read yet"
    await desk.trending.refresh()
    ranked = list(desk.trending.ranked)
    assert len(ranked) == RANKED_TRENDS
    assert ranked[0] == (RANKED_TRENDS + 4, RANKED_TRENDS + 4.0)
    desk.now += 59
    assert list(desk.trending.ranked) == ranked
    desk.now += 1
    assert not desk.trending.ranked, "a minute later they are no trends"


async def test_models_get_no_item_without_a_text() -> None:
    desk = Desk(Trends({99: 1e6, 8: 1e5}))
    desk.trending = Trending(desk, range(50), None, lambda: desk.now, named={8})
    await desk.trending.refresh()
    assert desk.trending.ranked == [(8, 1e5)]


async def test_a_model_that_reads_trends_is_told_of_them(tmp_path: Path) -> None:
    desk, model = Desk(Trends({12: 40.0, 77: 30.0})), giving(GOOD)
    await desk.trending.refresh()
    artifact = sample_artifact(tmp_path)
    reading = dataclasses.replace(artifact.vocabulary, trends=True)
    for vocabulary, told in ((reading, [12, 77]), (artifact.vocabulary, None)):
        own = dataclasses.replace(artifact, vocabulary=vocabulary)
        parts = Parts(tmp_path, model, giving(GOOD), artifact=own, trending=desk.trending)
        await parts.chain.answer(request())
        sent = {tensor.name: tensor for tensor in model.sent}
        if told is None:
            assert "trend_items" not in sent
        else:
            items = struct.unpack(f"<{RANKED_TRENDS}q", sent["trend_items"].data)
            assert items == (*told, *[-1] * (RANKED_TRENDS - 2))


@pytest.mark.parametrize("error", [StoreError("gone"), TypeError("a count is a text")])
async def test_reading_goes_on_after_any_failure(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trending, "REFRESH_SECONDS", 0.0)
    desk = Desk(Trends({9: 5000.0}))
    known, desk.trends = desk.trends, error
    running = asyncio.create_task(desk.trending.run())
    async with asyncio.timeout(60):
        while not caplog.records:
            await asyncio.sleep(0)
        desk.trends = known
        while await desk.first() != 9:
            await asyncio.sleep(0)
    running.cancel()
    assert [str(error) in each.getMessage() for each in caplog.records] == [True]


async def test_without_events_the_list_is_that_of_the_version() -> None:
    desk = Desk(Trends())
    await desk.trending.refresh()
    assert desk.trending.list_of(request(), OVERALL) is OVERALL


async def test_a_request_of_a_segment_gets_what_is_popular_there() -> None:
    desk = Desk(Trends({12: 3e3}, {PHONE: {11: 1e5}}), segments())
    await desk.trending.refresh()
    assert await desk.first(features=CONTEXT) == 11
    assert await desk.first(features=CONTEXT | {"plan": "gold"}) == 11
    assert await desk.first(features={"device": "phone"}) == 12
    assert await desk.first(features=CONTEXT | {"device": "desktop"}) == 12
    assert await desk.first() == 12


async def test_a_calendar_leaves_the_segment_of_the_other_features() -> None:
    desk = Desk(Trends({12: 3e3}, {PHONE: {11: 1e5}}), segments(OPENED))
    await desk.trending.refresh()
    assert await desk.first(features=CONTEXT | {"opened": 5.0}) == 11
    assert await desk.first(features=CONTEXT) == 11


async def test_lists_that_are_kept_are_bounded() -> None:
    desk = Desk(Trends({12: 1e6}))
    await desk.trending.refresh()
    lists = [(*OVERALL, (number, 0.1)) for number in range(100, 100 + 3 * LISTS)]
    for listed in lists:
        assert desk.trending.list_of(request(), listed)[0][0] == 12
    assert len(desk.trending._mixed) <= LISTS


async def test_the_last_fallback_answers_what_is_popular_now(tmp_path: Path) -> None:
    broken = failing(RuntimeError("down"))
    parts = Parts(tmp_path, broken, broken)
    desk = Desk(Trends({12: 1e6}))
    await desk.trending.refresh()
    parts.chain._trending = desk.trending
    answer = await parts.chain.answer(request())
    assert (answer.source, answer.items[0]) == (Source.POPULARITY, 12)
    assert answer.scores[0] == 1.0


counts = st.dictionaries(st.integers(0, 30), st.floats(0, 1e6), max_size=20)
lists = st.dictionaries(st.integers(0, 30), st.floats(0.001, 1), max_size=20).map(
    lambda found: tuple(sorted(found.items(), key=lambda pair: -pair[1]))
)


@given(lists, counts)
def test_a_mixed_list_is_sorted_and_has_all_items_once(
    listed: Listed, found: dict[int, float]
) -> None:
    mixed = mix(listed, found)
    assert {item for item, _ in mixed} == dict(listed).keys() | found.keys()
    assert len(mixed) == len(dict(mixed)) <= MOST
    scores = [score for _, score in mixed]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert not mixed or not listed or scores[0] == 1


@given(lists, counts)
def test_scores_are_those_of_the_list_as_events_and_of_the_events(
    listed: Listed, found: dict[int, float]
) -> None:
    whole = sum(score for _, score in listed)
    weights = {
        item: PRIOR * dict(listed).get(item, 0) / (whole or 1) + found.get(item, 0)
        for item in dict(listed).keys() | found.keys()
    }
    top = max(weights.values(), default=0)
    for item, score in mix(listed, found):
        assert score == pytest.approx(weights[item] / top if top else 0)


@given(lists)
def test_without_events_the_order_stays(listed: Listed) -> None:
    assert [item for item, _ in mix(listed, {})] == [item for item, _ in listed]
