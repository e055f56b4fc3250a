"""A process has the parts that its settings ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from recommender_serving.domain.types import FallReason, RankerError
from recommender_serving.process import components
from recommender_serving.process.settings import ServeSettings, parse
from tests.unit.recommender_serving.serving_fakes import PLAIN, Watching, failing, giving
from tests.unit.recommender_serving.serving_samples import request, sample_artifact

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
