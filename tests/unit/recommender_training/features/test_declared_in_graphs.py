"""Exported graphs read declared features as the models do.

`tests/unit/test_served_declarations.py` has any declaration."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.artifact.vocabulary import vocabulary
from recommender_training.common.arrays import Doubles, Floats
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.evaluation import ranking_metrics
from recommender_training.export import parity
from recommender_training.export.exported_graph import ExportedGraph
from recommender_training.features import attributes
from recommender_training.features.assembly import Inputs
from tests.declared_models import (
    EVENTS,
    LENGTH,
    MODELS,
    Fitted,
    answered,
    data_of,
    fitted,
)


@pytest.mark.parametrize("model", MODELS)
def test_exported_graphs_read_every_declared_feature_as_the_models_do(
    every: Fitted, model: str
) -> None:
    holds_parity(every, model)


@pytest.mark.parametrize("model", MODELS)
def test_exported_graphs_serve_data_without_a_declared_feature(model: str) -> None:
    nothing = fitted(data_of(FeatureSchema(), seed=2), (FeatureGroup.DEMOGRAPHIC_RATES,))
    assert nothing.data.attributes == ()
    holds_parity(nothing, model)


def holds_parity(own: Fitted, model: str) -> None:
    task = ranking_metrics.reveal_half(own.data, np.arange(EVENTS // 2, EVENTS), LENGTH)
    assert len(task.requests) >= 3
    scorer: Callable[[Inputs], Doubles] = functools.partial(own.score, model)
    told = parity.check_parity(own.graph(model), scorer, own.known, task.requests, parity.Lists())
    assert told["requests"] == len(task.requests)


@pytest.mark.parametrize("model", MODELS)
def test_a_request_without_a_value_has_the_answer_of_the_value_at_serving(
    every: Fitted, model: str
) -> None:
    graph, unknown = every.graph(model), [float("nan")] * every.data.width
    _, place = attributes.named_buckets(every.data, "position")

    def scores(position: float) -> list[float]:
        features = [*unknown[:place], position, *unknown[place + 1 :]]
        ids, found = answered(graph, 999, features)
        return found[0, ids[0].argsort()].tolist()

    assert scores(float("nan")) == scores(1.0)
    assert scores(float("nan")) != scores(9.0)


def test_a_graph_is_replayed_with_the_columns_of_its_own_vocabulary(every: Fitted) -> None:
    data, words = every.data, vocabulary(every.data, LENGTH)
    side = data.side_of_events(np.arange(EVENTS))
    graph: Any = every.graph("baseline")

    def read(content: dict[str, Any]) -> Floats:
        return ExportedGraph(graph, content)._side(data, side)

    np.testing.assert_array_equal(read(words), side)
    likes, start = attributes.named_buckets(data, "likes")
    changed = {"likes": {"categories": ["d", "a"], "maxPerRow": 1}, "query": {"length": 3},
               "words": {"hashBuckets": 4}}  # fmt: skip
    features = [each | changed.get(each["name"], {}) for each in words["features"]]
    found = read({**words, "features": features})
    index = {likes.categories.index(name): code for code, name in enumerate(["d", "a"])}
    for row, old in zip(found[:, start], side[:, start : start + 3], strict=True):
        known = [index[int(code)] for code in old if code == code and int(code) in index]
        assert row == min(known) if known else np.isnan(row)
    assert found.shape[1] == side.shape[1] - 2 + 1
    assert np.isnan(found).sum(1).min() >= 3, "another length is another feature"
