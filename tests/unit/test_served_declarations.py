"""Exported graphs of any declaration, and the transformer over them, answer as the models do.

From the request's JSON to the answer's: the transformer reads the declaration in vocabulary.json,
codes what a request says and asks the exported graph. The expected answer takes the other way: the
training package's own coding of the same values, and eager mode. Graphs are also asked directly,
with numbers that no JSON has.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from recommender_contract.features import Kind
from recommender_serving.artifact import loader
from recommender_training.artifact import popularity_file
from recommender_training.artifact.vocabulary import vocabulary
from recommender_training.config.feature_schema import FeatureSchema, FeatureTable
from recommender_training.data.feature_encoding import Attribute
from recommender_training.evaluation import ranking_metrics
from recommender_training.statistics import calibration
from tests.declared_models import (
    EVENTS,
    ITEMS,
    LENGTH,
    MODELS,
    USERS,
    Fitted,
    answered,
    bucket,
    data_of,
    declarations,
    fitted,
)
from tests.effort import COSTLY
from tests.served_graph import Graph
from tests.unit.recommender_serving.serving_fakes import Parts
from tests.unit.recommender_serving.serving_samples import numeric
from tests.unit.recommender_serving.serving_served import Served

#: Seconds since 1970 of the requests, later than all events.
NOW = 2_000_000
STRANGER = 999
#: What a request may say of a feature: known and unknown values, and next to edges and limits.
SAID = {
    Kind.CATEGORICAL: st.sampled_from(["a", "b", "c", "never seen"]),
    Kind.BOOLEAN: st.booleans(),
    Kind.NUMERIC: st.sampled_from([-30, -9, 0, 0.1, 1, 9.5, 30]) | st.floats(-30, 30, width=32),
    Kind.TIMESTAMP: st.integers(-30, 3).map(lambda millions: millions * 1_000_000),
    Kind.MULTI_CATEGORICAL: st.lists(st.sampled_from(["a", "d", "c", "never seen"]), max_size=2),
    Kind.EMBEDDING: st.lists(st.floats(-60, 60, width=32), min_size=2, max_size=2),
}
#: Missing or unknown, out of limits both ways, what a float of 32 bits cannot hold, and in
#: between.
NUMBERS = st.sampled_from([math.nan, -31.0, 1e30, math.inf, 0.0, 1.0, 0.1, 9.5])


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request as JSON has it, and what it is in the data set."""

    user: int
    said: dict[str, Any]
    session: list[int]  # rows of events, by time

    def instance(self, own: Fitted) -> dict[str, Any]:
        """The instance of a request in the format v1."""
        data, events = own.data, own.data.events
        place = {each.name: each.place for each in data.attributes}
        stated: dict[str, dict[str, Any]] = {"user": {}, "context": {}}
        for name, value in self.said.items():
            stated["user" if place[name] is FeatureTable.USERS else "context"][name] = value
        session = [
            {
                "item": int(data.items.ids[events.item[row]]),
                "timestamp": int(events.time[row]),
                "value": float(events.value[row]),
            }
            for row in self.session
        ]
        person = {"user_id": self.user, "timestamp": NOW, "top_n": ITEMS}
        return {**person, "session": session, **{k: v for k, v in stated.items() if v}}


def artifact(own: Fitted, folder: Path) -> loader.Artifact:
    """What the transformer reads, written and loaded."""
    files = {
        "vocabulary": vocabulary(own.data, LENGTH),
        "popularity": popularity_file.content(own.data, own.known.state.counts),
        "manifest": {"schema": "recommender.dev/manifest/v1"},
        "reference": {
            "schema": "recommender.dev/reference/v1",
            "sessions": 1,
            "features": [numeric("top_score", [0.5], [1, 1])],
        },
    }
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return loader.load(folder)


async def answers(own: Fitted, graph: torch.nn.Module, body: Any) -> list[dict[str, Any]]:
    """What the transformer answers to each instance over a graph."""
    with tempfile.TemporaryDirectory() as folder:
        triton = Graph(graph)
        parts = Parts(Path(folder), triton, triton, artifact=artifact(own, Path(folder)))
        served = await Served.opened(Path(folder), parts)
        async with served.http:
            found = await served.http.post("/v1/models/recommender:predict", json=body)
    assert found.status_code == 200, found.text
    told: list[dict[str, Any]] = found.json()["predictions"]
    return told


def coded(attribute: Attribute, value: Any) -> list[float]:
    """What the tables of the training would have of a value."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, list):
        between = attribute.feature.separator
        texts = [text for each in value for text in str(each).split(between or "\0")]
        value = " ".join("-".join(text.split()) for text in texts) or None
    frame = pl.DataFrame({attribute.name: [value]})
    found: list[float] = attribute.columns(frame)[0].tolist()
    return [math.nan] * attribute.width if value is None else found


def read(attribute: Attribute, now: list[float], before: list[float]) -> list[float]:
    """The columns that count: of the request, of the table of users, or for serving."""
    for values in (now, before, [attribute.served] * attribute.width):
        lacks = any if attribute.length else all
        if not lacks(map(math.isnan, values)):
            return [float(np.float32(value)) for value in values]
    return [math.nan] * attribute.width


def side_of(attribute: Attribute, values: list[float]) -> tuple[list[int], list[float]]:
    """The buckets of the lanes, and the numbers of an Embedding."""
    if attribute.length:
        most = float(np.float32(1e30))
        if not all(-most <= value <= most for value in values):
            return [0], [0.0] * attribute.length
        return [-1], [min(max(value / attribute.scale, -10.0), 10.0) for value in values]
    if attribute.feature.kind is Kind.MULTI_CATEGORICAL:
        named = [bucket(attribute, value, NOW) for value in values]
        known = [each for each in named if each > 0] or [0]
        return [*known, *[-1] * (attribute.lanes - len(known))], []
    return [bucket(attribute, values[0], NOW)], []


def expected(
    own: Fitted, model: str, user: int, said: list[list[float]], session: list[int]
) -> dict[int, float]:
    """The log-odds of every item that the session has not, in eager mode.

    `said` are the columns of the features of user and context; NaN for what is not said.
    """
    data, known = own.data, user != STRANGER
    blank = np.full(data.context_width, np.nan, dtype=np.float32)
    row = user - 1 if known else 0
    of_user = data.users.side[row] if known else np.full_like(data.users.side[0], np.nan)
    stored, start = np.concatenate([of_user, blank]).tolist(), 0
    side: list[int] = []
    vector: list[float] = []
    for each, now in zip(data.attributes, said, strict=True):
        before = stored[start : start + each.width]
        lanes, numbers = side_of(each, read(each, now, before))
        side, vector, start = side + lanes, vector + numbers, start + each.width
    events = np.array(session, dtype=np.int64)
    inputs = own.inputs(ranking_metrics.Request(row, events[-LENGTH:], NOW, blank))
    inputs = dataclasses.replace(
        inputs,
        side=torch.tensor([side] * ITEMS).reshape(ITEMS, len(side)).long(),
        vector=torch.tensor([vector] * ITEMS).reshape(ITEMS, len(vector)).float(),
        user=inputs.user if known else torch.zeros_like(inputs.user),
    )
    logits = own.score(model, inputs)
    seen = set(data.events.item[events].tolist())
    return {
        int(item): float(logit)
        for at, (item, logit) in enumerate(zip(data.items.ids, logits, strict=True))
        if at not in seen
    }


def agree(wanted: dict[int, float], items: list[int], scores: list[float]) -> None:
    assert set(items) == set(wanted)
    logits = np.array([wanted[item] for item in items])
    np.testing.assert_allclose(scores, calibration.probability(logits), atol=1e-5)


def in_order(own: Fitted, wanted: dict[int, float], items: list[int]) -> None:
    """By log-odds and popularity, but for the arithmetic."""
    known = own.known
    popular = known.sources.standing(known.state.counts)
    standing = dict(zip(own.data.items.ids.tolist(), popular.tolist(), strict=True))
    order = np.array([wanted[item] + standing[item] for item in items])
    assert (np.diff(order) <= 1e-3).all()


@st.composite
def requests(draw: st.DrawFn, own: Fitted) -> Asked:
    said = {
        each.name: draw(SAID[each.feature.kind])
        for each in own.data.attributes
        if each.feature.served_as is None and draw(st.booleans())
    }
    # Longer than the models read, but not every item: the models have one left.
    session = sorted(draw(st.sets(st.integers(0, EVENTS - 1), max_size=ITEMS - 1)))
    return Asked(draw(st.integers(1, USERS) | st.just(STRANGER)), said, session)


def _any_of(attribute: Attribute) -> st.SearchStrategy[float]:
    """Any number of a column; most of those of an Embedding are valid, for few to lack one."""
    if attribute.length:
        return st.sampled_from([0.0, 1.0, 0.1, -31.0, 9.5, 1e30] * 3) | NUMBERS
    return NUMBERS if attribute.banded else st.sampled_from([math.nan, 0.0, 1.0])


#: A fit and two compilations an example: a failing one is not made smaller.
@settings(COSTLY, phases=[Phase.explicit, Phase.generate])
@given(declared=declarations(), seed=st.integers(0, 999), drawn=st.data())
def test_graphs_and_the_transformer_answer_any_request_of_any_declaration_as_the_models_do(
    declared: FeatureSchema, seed: int, drawn: st.DataObject
) -> None:
    own = fitted(data_of(declared, seed))
    users = st.integers(1, USERS)
    numbers = [
        [
            drawn.draw(st.lists(_any_of(each), min_size=each.width, max_size=each.width))
            for each in own.data.attributes
        ]
        for _ in range(3)
    ]
    every = [drawn.draw(requests(own)) for _ in range(6)]
    body = {"instances": [each.instance(own) for each in every]}
    for model in MODELS:
        graph = own.graph(model)
        for said in numbers:
            user = drawn.draw(users)
            ids, scores = answered(graph, user, list(itertools.chain.from_iterable(said)))
            wanted = expected(own, model, user, said, [])
            agree(wanted, ids[0].tolist(), scores[0].tolist())
        for asked, told in zip(every, asyncio.run(answers(own, graph, body)), strict=True):
            said = [coded(each, asked.said.get(each.name)) for each in own.data.attributes]
            assert told["source"] == "model"
            wanted = expected(own, model, asked.user, said, asked.session)
            agree(wanted, told["items"], told["scores"])
            in_order(own, wanted, told["items"])


LISTS = {
    "users": [
        {"name": "likes", "kind": "MultiCategorical", "separator": " ", "maxPerRow": 4},
        {"name": "look", "kind": "Embedding", "length": 2},
    ],
    "context": [
        {"name": "words", "kind": "MultiCategorical", "separator": " ", "hashBuckets": 4},
        {"name": "query", "kind": "Embedding", "length": 2},
        {"name": "device", "kind": "Categorical"},
    ],
}
SAYINGS: list[dict[str, Any]] = [
    {"likes": ["d", "never seen", "a", "d"], "look": [-7.5, 2], "words": ["x", "y z"],
     "query": [1e3, -1e30]},
    {"query": [20, 1.5], "device": "b"},
    {"likes": ["never seen"], "words": []},
    {"look": [0, 0]},
    {},
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("user", [3, STRANGER])
def test_lists_of_a_request_are_read_by_the_transformer_as_by_the_models(
    model: str, user: int
) -> None:
    own = fitted(data_of(FeatureSchema.model_validate(LISTS), seed=5))
    every = [Asked(user, said, [2, 40]) for said in SAYINGS]
    body = {"instances": [each.instance(own) for each in every]}
    for asked, told in zip(every, asyncio.run(answers(own, own.graph(model), body)), strict=True):
        said = [coded(each, asked.said.get(each.name)) for each in own.data.attributes]
        assert told["source"] == "model"
        agree(expected(own, model, user, said, asked.session), told["items"], told["scores"])
