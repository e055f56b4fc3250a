"""A process has the parts that its settings ask for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from recommender_contract.online_store import Hide
from recommender_serving.domain.types import FallReason, RankerError, SessionEvent
from recommender_serving.process import components
from recommender_serving.process.settings import ServeSettings, parse
from recommender_serving.ranking.recommender import Recommender
from recommender_serving.store.trend_reader import Trends
from recommender_serving.store.user_reader import User
from tests.unit.recommender_serving.serving_fakes import PLAIN, Watching, failing, giving
from tests.unit.recommender_serving.serving_samples import (
    CATALOGUE,
    NOW,
    VOCABULARY,
    request,
    sample_artifact,
)

REPORTING = {"RECOMMENDER_COLLECTOR_URL": "http://collector", "RECOMMENDER_IMPRESSIONS": "1"}
EXPLORING = {"RECOMMENDER_EXPLORATION": '{"share": 0.2, "pool": 3}'}


def settings(**environ: str) -> ServeSettings:
    names = {"RECOMMENDER_MODEL": "movies", "RECOMMENDER_VERSION": "movies-1"}
    found = parse(["serve", "--artifact", "/artifact"], names | environ)
    assert isinstance(found, ServeSettings)
    return found


@pytest.mark.parametrize(
    ("environ", "pool"),
    [({}, 0), (EXPLORING, 0), (REPORTING, 0), (REPORTING | EXPLORING, 3)],
    ids=["none", "no impressions", "no exploration", "exploration"],
)
async def test_answers_explore_if_the_settings_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], pool: int
) -> None:
    registry = CollectorRegistry()
    monkeypatch.setattr(components, "REGISTRY", registry)
    given = settings(**environ)
    rankers = Watching(), giving(PLAIN)
    recommender = components.build_recommender(given, sample_artifact(tmp_path), rankers)
    (answer,) = await recommender.recommend([request(top_n=2)])
    assert (answer.items, len(answer.pool)) == ((0, 1), pool)
    explorer = components.build_explorer(given, recommender.metrics)
    assert (explorer is None) is (pool == 0)
    chosen = [explorer.chosen(answer) for _ in range(2000)] if explorer else []
    assert set(chosen) == ({True, False} if pool else set())
    drawn = {explorer.drawn(answer).items for _ in range(200)} if explorer else set()
    assert drawn == ({(0, 1), (0, 2), (0, 3)} if pool else set())
    labels = {"model": "movies", "version": "movies-1"}
    count = registry.get_sample_value("transformer_explored_total", labels)
    assert ((count or 0) > 0) is (pool > 0)


async def test_copies_are_answered_by_the_same_models_and_counted_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = CollectorRegistry()
    monkeypatch.setattr(components, "REGISTRY", registry)
    rankers = failing(RankerError(FallReason.EMPTY)), giving(PLAIN)
    given = settings(RECOMMENDER_ANSWER_CACHE="60,100,1")
    recommender = components.build_recommender(given, sample_artifact(tmp_path), rankers)
    assert recommender.mirrored is not None
    (answer,) = await recommender.mirrored.recommend([request(top_n=2)])
    assert answer.items == PLAIN.items[:2]
    assert rankers[0].calls == rankers[1].calls == 1
    labels = {"model": "movies", "version": "movies-1", "reason": "empty"}
    assert registry.get_sample_value("recommender_shadow_fallbacks_total", labels) == 1
    assert registry.get_sample_value("recommender_fallbacks_total", labels) == 0


async def test_copies_have_a_cache_that_no_metric_of_users_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = CollectorRegistry()
    monkeypatch.setattr(components, "REGISTRY", registry)
    rankers = giving(PLAIN), giving(PLAIN)
    given = settings(RECOMMENDER_ANSWER_CACHE="60,100,1")
    recommender = components.build_recommender(given, sample_artifact(tmp_path), rankers)
    assert recommender.mirrored is not None
    for _ in range(2):
        await recommender.mirrored.recommend([request(top_n=2)])
    assert rankers[0].calls == 1
    labels = {"model": "movies", "version": "movies-1"}
    assert registry.get_sample_value("transformer_cache_entries", labels) == 0
    for outcome in ("hit", "miss"):
        found = {"outcome": outcome} | labels
        assert registry.get_sample_value("transformer_cache_lookups_total", found) == 0


class Reader:
    """A store whose user touched every item, the first ones longest ago."""

    hides = True
    hide: frozenset[Hide]

    def __init__(self, url: str, model: str, options: object, hide: frozenset[Hide]) -> None:
        type(self).hide = hide

    async def read(self, user: int) -> User:
        return User(tuple(SessionEvent(item, NOW - CATALOGUE + item) for item in range(CATALOGUE)))


def made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, again: int | None, **environ: str
) -> Recommender:
    monkeypatch.setattr(components, "REGISTRY", CollectorRegistry())
    monkeypatch.setattr(components, "UserReader", Reader)
    given = settings(
        RECOMMENDER_STORE_URL="redis://store:6379/0",
        RECOMMENDER_CALLERS='{"trusted": true}',
        **environ,
    )
    written = {} if again is None else {"repeatAfterSeconds": again}
    artifact = sample_artifact(folder, vocabulary=VOCABULARY | written)
    return components.build_recommender(given, artifact, (Watching(), giving(PLAIN)))


ALL_BUT_SEEN = {Hide.INTERACTED, Hide.BOUGHT, Hide.DISLIKED}


@pytest.mark.parametrize(
    ("again", "given", "hidden"),
    [
        (None, {}, ALL_BUT_SEEN),
        (0, {}, {Hide.DISLIKED}),
        (86_400, {}, {Hide.DISLIKED}),
        (0, {"RECOMMENDER_HIDE": "Interacted"}, {Hide.INTERACTED}),
        (0, {"RECOMMENDER_HIDE": ""}, set()),
        (None, {"RECOMMENDER_HIDE": ""}, set()),
    ],
)
def test_the_version_says_what_is_hidden_unless_the_resource_does(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    again: int | None,
    given: dict[str, str],
    hidden: set[Hide],
) -> None:
    made(tmp_path, monkeypatch, again, **given)
    assert Reader.hide == hidden


async def test_an_item_of_the_store_waits_for_its_time_however_many_events_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The models read the newest events alone, and the fake ones leave out nothing."""
    recommender = made(tmp_path, monkeypatch, CATALOGUE - 2)
    (answer,) = await recommender.recommend([request(top_n=20)])
    assert answer.items[:3] == (0, 1, 2)
    assert not set(range(3, CATALOGUE - 5)) & set(answer.items)


class Counters:
    """In place of the reader of the store: an item of the version, and one that it lacks."""

    def __init__(self, *_: object) -> None:
        pass

    async def read(self) -> Trends:
        return Trends({5: 2.0, 10**9: 3.0})


@pytest.mark.parametrize("texts", [None, {5: "five"}])
async def test_an_item_without_a_text_is_no_trend_where_ids_are_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: dict[int, str] | None
) -> None:
    monkeypatch.setattr(components, "TrendReader", Counters)
    artifact = dataclasses.replace(sample_artifact(tmp_path), item_texts=texts)
    store = {"RECOMMENDER_STORE_URL": "redis://store:6379/0"}
    assert components.build_trending(settings(**store), artifact) is None
    trending = components.build_trending(settings(**store, RECOMMENDER_TRENDING="true"), artifact)
    assert trending is not None
    await trending.refresh()
    assert list(trending.ranked) == ([(5, 2.0)] if texts else [(10**9, 3.0), (5, 2.0)])
