"""Popularity by segment: each age band and gender has the list that its own events make."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from recommender_serving.answering.popularity import PopularityLists
from recommender_serving.artifact.file_schemas import PopularityFile
from recommender_serving.domain.types import RecommendRequest
from recommender_training.artifact import vocabulary
from recommender_training.data.dataset import Dataset, Events, Items, Users
from recommender_training.data.schema import AGE_BANDS, AGE_EDGES
from recommender_training.evaluation import answers
from recommender_training.features import history, popularity
from recommender_training.features.prepared import Prepared
from recommender_training.fitted.bundle import Bundle
from recommender_training.statistics import metrics

ITEMS = 6
#: Two age bands at their edges and two genders, a user without an age and one without a gender.
SIDE = [[18, 0, -1], [24, 0, -1], [35, 1, -1], [-1, 1, -1], [35, -1, -1]]


def some_data(pairs: list[tuple[int, int]]) -> Dataset:
    """Positive events of these users and items, a second apart."""
    user, item = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    events = Events(user, item, np.full(len(pairs), 5, np.float32), np.arange(len(pairs)))
    users = Users(100 + np.arange(len(SIDE)), np.array(SIDE), ("F", "M"), ())
    flat = np.zeros(ITEMS, dtype=np.int64)
    items = Items(10 + np.arange(ITEMS), np.ones((ITEMS, 1), np.float32), flat, flat, ("g",))
    return Dataset(events, users, items)


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Young women like item 0, the older man item 1, and item 2 is liked most by those unknown."""
    monkeypatch.setattr(popularity, "WEIGHT", 10.0)
    return some_data([(0, 0), (1, 0), (2, 1), (3, 2)] * 40 + [(4, 2)] * 100)


def content(data: Dataset) -> dict[str, Any]:
    counts = history.counts_at(data.events, None, data.items.count)
    return vocabulary.popularity(data, counts)


def test_a_segments_score_is_its_own_share_with_events_of_all_added(many: Dataset) -> None:
    scores = dict(popularity.by_segment(many, None))
    young_women, older_men = 0 * len(AGE_BANDS) + 1, 1 * len(AGE_BANDS) + 3
    assert scores.keys() == {young_women, older_men}
    overall = np.array([80, 40, 140, 0, 0, 0]) / 260
    own = np.array([0, 40, 0, 0, 0, 0])
    np.testing.assert_allclose(scores[older_men], (own + 10 * overall) / 50)
    assert scores[older_men].sum() == pytest.approx(1)


def test_a_segment_of_few_events_has_the_order_of_all(many: Dataset) -> None:
    few = some_data([(3, 2)] * 900 + [(3, 0)] * 800 + [(2, 1)] * 3)
    ((_, scores),) = popularity.by_segment(few, None)
    assert np.argsort(-scores)[:3].tolist() == [2, 0, 1]
    ((_, scores),) = popularity.by_segment(some_data([(3, 2), (2, 1)] * 100), None)
    assert np.argmax(scores) == 1, "with events of its own the segment speaks for itself"


def test_no_event_of_the_window_is_counted(many: Dataset) -> None:
    early = some_data([(0, 0)] * 10 + [(0, 1)] * 90)
    ((_, scores),) = popularity.by_segment(early, 10)
    assert scores[0] == pytest.approx(1)
    assert not list(popularity.by_segment(early, 0))


def test_the_transformer_serves_the_list_that_training_counted(many: Dataset) -> None:
    told = content(many)
    lists = PopularityLists(PopularityFile.model_validate(told))
    scores = dict(popularity.by_segment(many, None))
    assert told["segments"]["ageEdges"] == list(AGE_EDGES)
    for user, best in ((100, 0), (101, 0), (102, 1), (103, 2), (104, 2), (-1, 2)):
        listed = lists.of(RecommendRequest(user_id=user, timestamp=0, top_n=3))
        assert listed[0] == (10 + best, 1.0), user
    by_words = RecommendRequest(user_id=-1, timestamp=0, top_n=3, age=24, gender="F")
    assert lists.of(by_words)[0][0] == 10
    (own,) = (each for each in told["segments"]["lists"] if each["gender"] == 1)
    code = own["gender"] * len(AGE_BANDS) + own["ageBand"]
    ratio = scores[code][np.array(own["items"]) - 10] / scores[code].max()
    np.testing.assert_allclose(own["scores"], ratio, atol=1e-6)
    assert (np.diff(own["scores"]) <= 0).all()


def test_lists_and_users_are_bounded(many: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popularity, "MAX_SEGMENTS", 1)
    monkeypatch.setattr(vocabulary, "MAX_USERS", 2)
    monkeypatch.setattr(vocabulary, "MAX_TOP_N", 4)
    told = content(many)["segments"]
    (women,) = told["lists"]
    assert women["gender"] == 0, "the segment with the most positive events"
    assert len(women["items"]) == 4
    assert told["users"] == {"ids": [103, 104], "ageBand": [-1, 3], "gender": [1, -1]}


def test_where_no_user_has_both_there_is_the_list_of_all_alone() -> None:
    data = some_data([(3, 2), (4, 1)])
    assert content(data).keys() == {"items", "scores"}


def test_the_report_judges_the_lists_that_would_be_served(
    bundle: Bundle, prepared: Prepared
) -> None:
    judged = answers.window(prepared, prepared.split.validation)
    said = answers.answer(bundle, prepared, judged)
    data, start = judged.data, int(judged.data.events.time[judged.rows[0]])
    before = dataclasses.replace(data, events=data.events.take(data.events.time < start))
    scores = dict(popularity.by_segment(before, None))
    segment = popularity.segment_of(data.users)[judged.request_user]
    expected = metrics.top_k(
        np.array([scores[code] for code in segment]), judged.task.excluded, answers.TOP_K
    )
    assert (said["popularityBySegment"].top == expected).all()
    unknown = np.full_like(data.users.side, -1)
    users = dataclasses.replace(data.users, side=unknown)
    nobody = dataclasses.replace(judged, data=dataclasses.replace(data, users=users))
    assert "popularityBySegment" not in answers._by_segment(nobody)
