"""Exported graphs read declared features as the models do, for any declaration."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from recommender_training.common.arrays import Doubles
from recommender_training.config.declaration import Declaration
from recommender_training.config.training import FeatureGroup
from recommender_training.evaluation import ranking
from recommender_training.export import parity
from recommender_training.features.assembly import Inputs
from recommender_training.statistics import calibration
from tests.unit.recommender_training.features.declared_models import (
    EVENTS,
    ITEMS,
    LENGTH,
    MODELS,
    OF_REQUESTS,
    USERS,
    Fitted,
    bucket,
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
    nothing = fitted(data_of(Declaration(), seed=2), (FeatureGroup.DEMOGRAPHIC_RATES,))
    assert nothing.data.attributes == ()
    holds_parity(nothing, model)


def holds_parity(own: Fitted, model: str) -> None:
    task = ranking.reveal_half(own.data, np.arange(EVENTS // 2, EVENTS), LENGTH)
    assert len(task.requests) >= 3
    scorer: Callable[[Inputs], Doubles] = functools.partial(own.score, model)
    told = parity.check(own.graph(model), scorer, own.known, task.requests, parity.Lists())
    assert told["requests"] == len(task.requests)


def answered(graph: torch.nn.Module, user: int, features: list[float]) -> tuple[Tensor, Tensor]:
    """Ids and probabilities of all items for a request without a session."""
    one = torch.ones(1, 1, dtype=torch.int64)
    found: tuple[Tensor, Tensor] = graph(
        user * one,
        torch.tensor([features or [float("nan")]], dtype=torch.float32),
        -one,
        0 * one,
        torch.zeros(1, 1),
        2_000_000 * one,
        ITEMS * one,
    )
    return found


@pytest.mark.parametrize("model", MODELS)
def test_a_request_without_a_value_has_the_answer_of_the_value_at_serving(
    every: Fitted, model: str
) -> None:
    graph, unknown = every.graph(model), [float("nan")] * len(OF_REQUESTS)
    place = OF_REQUESTS.index("position")

    def scores(position: float) -> list[float]:
        features = [*unknown[:place], position, *unknown[place + 1 :]]
        ids, found = answered(graph, 999, features)
        return found[0, ids[0].argsort()].tolist()

    assert scores(float("nan")) == scores(1.0)
    assert scores(float("nan")) != scores(9.0)


SETTINGS: Mapping[str, list[dict[str, Any]]] = {
    "Categorical": [{}, {"maxCategories": 2}, {"hashBuckets": 3}],
    "MultiCategorical": [
        {"separator": " ", "maxCategories": 3},
        {"separator": " ", "hashBuckets": 4},
    ],
    "Boolean": [{}],
    "Numeric": [
        {},
        {"bands": 3},
        {"transform": "Log"},
        {"transform": "Quantiles", "bands": 4},
        {"edges": [0.1]},
        {"minimum": -30, "maximum": 30, "edges": [-9, 0, 9.5]},
    ],
    "Timestamp": [{}],
    "Embedding": [{"length": 2}],
}
AGES: list[tuple[str, dict[str, Any]]] = [
    ("Timestamp", {"bands": 3}), ("Timestamp", {"edges": [0.1, 20]}),
]  # fmt: skip
ALL_KINDS = st.sampled_from([(kind, each) for kind in SETTINGS for each in SETTINGS[kind]])
OF_REQUEST = ALL_KINDS.filter(
    lambda each: each[0] in ("Categorical", "Boolean", "Numeric", "Timestamp")
) | st.sampled_from(AGES)


@st.composite
def declarations(draw: st.DrawFn) -> Declaration:
    def features(prefix: str, kinds: Any) -> list[dict[str, Any]]:
        drawn = draw(st.lists(kinds, max_size=3))
        return [{"name": f"{prefix}{n}", "kind": k, **s} for n, (k, s) in enumerate(drawn)]

    context = features("context_", OF_REQUEST)
    served = {"Categorical": "a", "Boolean": "true", "Numeric": "1.5"}
    for each in context:
        if each["kind"] in served and draw(st.booleans()):
            each["servedAs"] = served[each["kind"]]
    return Declaration.model_validate(
        {
            "users": features("of_user_", OF_REQUEST),
            "context": context,
            "items": features("of_item_", ALL_KINDS),
        }
    )


#: Missing or unknown, out of limits both ways, what a float of 32 bits cannot hold, and in
#: between.
GIVEN = st.sampled_from([float("nan"), -31.0, 1e30, float("inf"), 0.0, 1.0, 0.1, 9.5])


#: A fit and two compilations an example: a failing one is not made smaller.
@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(declared=declarations(), seed=st.integers(0, 999), drawn=st.data())
def test_graphs_and_models_agree_on_any_declaration_and_any_request(
    declared: Declaration, seed: int, drawn: st.DataObject
) -> None:
    own = fitted(data_of(declared, seed))
    data = own.data
    requests = [
        (
            drawn.draw(st.integers(0, USERS - 1)),
            [
                drawn.draw(GIVEN if each.banded else st.sampled_from([float("nan"), 0.0, 1.0]))
                for each in data.attributes
            ],
        )
        for _ in range(3)
    ]
    blank = np.full(len(declared.context), np.nan, dtype=np.float32)
    for model in MODELS:
        graph = own.graph(model)
        for user, features in requests:
            stored = [*data.users.side[user].tolist(), *blank.tolist()]
            side = []
            for each, said, known in zip(
                data.attributes, np.array(features, dtype=np.float32), stored, strict=True
            ):
                values = [v for v in (float(said), known, each.served) if not np.isnan(v)]
                side.append(bucket(each, values[0] if values else float("nan"), 2_000_000))
            request = ranking.Request(user, np.zeros(0, dtype=np.int64), 2_000_000, blank)
            inputs = dataclasses.replace(
                own.inputs(request),
                side=torch.tensor([side] * ITEMS).reshape(ITEMS, len(side)).long(),
            )
            expected = calibration.probability(own.score(model, inputs))
            ids, scores = answered(graph, int(data.users.ids[user]), features)
            rows = np.searchsorted(data.items.ids, ids[0].numpy())
            assert len(rows) == ITEMS
            np.testing.assert_allclose(scores[0].numpy(), expected[rows], atol=1e-5)
