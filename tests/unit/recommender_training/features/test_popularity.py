"""Popularity by segment: each value of the features for cold start has the list that its own
events make.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from recommender_serving.artifact.popularity import build_popularity
from recommender_serving.artifact.popularity_file import PopularityFile
from recommender_serving.artifact.vocabulary import build_vocabulary
from recommender_serving.artifact.vocabulary_file import VocabularyFile
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.ranking.fallback_chain import popularity_list
from recommender_training.artifact import popularity_file, vocabulary
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import predictions
from recommender_training.features import event_history, popularity
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.statistics import model_metrics
from tests import small_data

ITEMS = 6
#: A number in bands, categories, and a feature of the context.
DECLARED = FeatureSchema.model_validate(
    {
        "users": [
            {"name": "points", "kind": "Numeric", "edges": [18, 25, 35], "coldStart": True},
            {"name": "town", "kind": "Categorical"},
            {"name": "plan", "kind": "Categorical", "coldStart": True},
        ]
    }
)
#: Points at the edges of two bands and two plans, a user without points and one without a plan.
USERS = [(18, "free"), (24, "free"), (35, "paid"), (None, "paid"), (35, None)]
FREE_FEW, PAID_MANY = [1, 0], [3, 1]


def some_data(pairs: list[tuple[int, int]]) -> Dataset:
    """Positive events of these users and items, a second apart."""
    return small_data.build(
        [(100 + user, 10 + item, 5.0, time) for time, (user, item) in enumerate(pairs)],
        [
            {"id": 100 + user, "points": points, "plan": plan}
            for user, (points, plan) in enumerate(USERS)
        ],
        [{"id": 10 + item} for item in range(ITEMS)],
        DECLARED,
    )


def told_by_segment(data: Dataset, time: int | None = None) -> list[tuple[list[int], Any]]:
    """The values that make each segment, and its scores."""
    found = popularity.by_segment(data, time)
    return [(popularity.values_in(data, code), scores) for code, scores in found]


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Those of few points like item 0, the one of many item 1, and those unknown like item 2."""
    monkeypatch.setattr(popularity, "WEIGHT", 10.0)
    return some_data([(0, 0), (1, 0), (2, 1), (3, 2)] * 40 + [(4, 2)] * 100)


def content(data: Dataset) -> dict[str, Any]:
    counts = event_history.counts_at(data.events, None, data.items.count)
    return popularity_file.content(data, counts)


def test_a_segments_score_is_its_own_share_with_events_of_all_added(many: Dataset) -> None:
    (few, _), (many_points, scores) = told_by_segment(many)
    assert (few, many_points) == (FREE_FEW, PAID_MANY)
    overall = np.array([80, 40, 140, 0, 0, 0]) / 260
    own = np.array([0, 40, 0, 0, 0, 0])
    np.testing.assert_allclose(scores, (own + 10 * overall) / 50)
    assert scores.sum() == pytest.approx(1)


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


def served(data: Dataset, user: int, **features: Any) -> Any:
    """The list of the transformer for a request, its first item and score before the others."""
    declared = build_vocabulary(VocabularyFile.model_validate(vocabulary.vocabulary(data, 5)))
    file = PopularityFile.model_validate(content(data))
    request = RecommendRequest(user_id=user, timestamp=0, top_n=3, features=features)
    return popularity_list(request, build_popularity(file, declared.features))


def test_the_transformer_serves_the_list_that_training_counted(many: Dataset) -> None:
    told = content(many)["segments"]
    assert told["features"] == ["points", "plan"]
    for user, best in ((100, 0), (101, 0), (102, 1), (103, 2), (104, 2), (-1, 2)):
        assert served(many, user)[0] == (10 + best, 1.0), user
    assert served(many, -1, points=24.0, plan="free")[0][0] == 10
    (own,) = (each for each in told["lists"] if each["values"] == PAID_MANY)
    (scores,) = (scores for values, scores in told_by_segment(many) if values == PAID_MANY)
    ratio = scores[np.array(own["items"]) - 10] / scores.max()
    np.testing.assert_allclose(own["scores"], ratio, atol=1e-6)
    assert (np.diff(own["scores"]) <= 0).all()


def test_a_feature_of_the_context_has_the_list_of_the_events_in_that_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(popularity, "WEIGHT", 10.0)
    declared = FeatureSchema.model_validate(
        {
            "users": [{"name": "plan", "kind": "Categorical", "coldStart": True}],
            "context": [
                {"name": "shelf", "kind": "Categorical"},
                {"name": "device", "kind": "Categorical", "coldStart": True},
                {"name": "place", "kind": "Numeric", "edges": [2], "servedAs": "1",
                 "coldStart": True},
            ],
        }
    )  # fmt: skip
    contexts = [{"device": "phone", "place": 1.0}, {"device": "tablet", "place": 1.0},
                {"device": "phone", "place": 3.0}, {}]  # fmt: skip
    data = small_data.build(
        [(1, 10 + number % 4, 5.0, number, contexts[number % 4]) for number in range(400)],
        [{"id": 1, "plan": "free"}],
        [{"id": 10 + item} for item in range(4)],
        declared,
    )
    found = told_by_segment(data)
    assert [values for values, _ in found] == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert [int(scores.argmax()) for _, scores in found] == [0, 2, 1]
    assert content(data)["segments"]["users"] == {"ids": [1], "values": [[0, -1, -1]]}
    assert served(data, 1, device="phone")[0][0] == 10, "the place is the one at serving"
    assert served(data, 1, device="tablet")[0][0] == 11
    assert served(data, 1) == served(data, -1, device="phone"), "one value is not known"


def test_lists_and_users_are_bounded(many: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popularity, "MAX_SEGMENTS", 1)
    monkeypatch.setattr(popularity_file, "MAX_USERS", 2)
    monkeypatch.setattr(popularity_file, "MAX_TOP_N", 4)
    told = content(many)["segments"]
    (listed,) = told["lists"]
    assert listed["values"] == FREE_FEW, "the segment with the most positive events"
    assert len(listed["items"]) == 4
    assert told["users"] == {"ids": [103, 104], "values": [[-1, 1], [3, -1]]}


def test_where_no_user_has_both_there_is_the_list_of_all_alone() -> None:
    data = some_data([(3, 2), (4, 1)])
    assert content(data).keys() == {"items", "scores"}


def test_the_report_judges_the_lists_that_would_be_served(
    bundle: Bundle, prepared: PreparedData
) -> None:
    judged = predictions.window(prepared, prepared.split.validation)
    said = predictions.answer(bundle, prepared, judged)
    data, start = judged.data, int(judged.data.events.time[judged.rows[0]])
    before = dataclasses.replace(data, events=data.events.take(data.events.time < start))
    scores = dict(popularity.by_segment(before, None))
    nothing = np.zeros((len(judged.request_user), 0), dtype=np.float32)
    times = np.array([each.time for each in judged.task.requests], dtype=np.int64)
    segment = popularity.segment_of(data, judged.request_user, times, nothing)
    of_segments = np.array([scores[code] for code in segment])
    of_segments[judged.task.excluded.nonzero()] = -np.inf
    expected = model_metrics.top_k(of_segments, predictions.TOP_K)
    assert (said["popularityBySegment"].top == expected).all()
    unknown = np.full_like(data.users.side, np.nan)
    users = dataclasses.replace(data.users, side=unknown)
    known = dataclasses.replace(judged.known, data=dataclasses.replace(data, users=users))
    nobody = dataclasses.replace(judged, known=known)
    assert "popularityBySegment" not in predictions._by_segment(nobody)
