"""Data with declared features of every kind, and both models of it."""

from __future__ import annotations

import bisect
import dataclasses
from typing import Any

import numpy as np
import torch

from recommender_training.common.arrays import Doubles
from recommender_training.config.declaration import Declaration, Place
from recommender_training.config.training import FeatureGroup
from recommender_training.data.coding import Attribute
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import ranking
from recommender_training.export import build, torchscript
from recommender_training.features import attributes, table
from recommender_training.features.assembly import Constants, Inputs
from recommender_training.features.state import State
from recommender_training.models import logistic, ranker
from recommender_training.models.logistic import LogisticModel
from recommender_training.models.ranker import Ranker
from recommender_training.statistics.calibration import Calibration
from tests import small_data

LENGTH, EVENTS, USERS, ITEMS = 4, 80, 8, 9
MODELS = ("recommender", "baseline")
#: Every kind of each place.
EVERY_KIND: dict[str, Any] = {
    "users": [
        {"name": "plan", "kind": "Categorical", "coldStart": True},
        {"name": "member", "kind": "Boolean"},
        {"name": "points", "kind": "Numeric", "minimum": -30, "maximum": 30, "edges": [0.1, 7]},
        {"name": "spent", "kind": "Numeric", "bands": 3},
        {"name": "joined", "kind": "Timestamp", "edges": [3, 12.5, 180]},
    ],
    "context": [
        {"name": "device", "kind": "Categorical"},
        {"name": "promoted", "kind": "Boolean"},
        {"name": "opened", "kind": "Timestamp", "bands": 3},
        {"name": "position", "kind": "Numeric", "edges": [-4, 4], "servedAs": "1"},
    ],
    "items": [
        {"name": "shelf", "kind": "Categorical"},
        {"name": "topic", "kind": "MultiCategorical", "separator": " "},
        {"name": "new", "kind": "Boolean"},
        {"name": "price", "kind": "Numeric", "minimum": -30, "bands": 3, "transform": "Log"},
        {"name": "made", "kind": "Timestamp"},
        {"name": "look", "kind": "Embedding", "length": 2},
    ],
}
OF_REQUESTS = [each["name"] for place in ("users", "context") for each in EVERY_KIND[place]]
OF_ITEMS = [each["name"] for each in EVERY_KIND["items"]]


def value_of(kind: str, random: np.random.Generator) -> Any:
    """A value of a kind, now and then a missing one."""
    if random.random() < 0.2:
        return None
    word, number = random.choice(["a", "b", "c"]), random.uniform(-30, 30)
    return {
        "Categorical": str(word),
        "MultiCategorical": f"{word} d",
        "Boolean": "true" if number > 0 else "false",
        "Numeric": float(round(number, 1)),
        "Timestamp": int(number * 1e6),
        "Embedding": f"{number:.3f} 1.5",
    }[kind]


def data_of(declared: Declaration, seed: int) -> Dataset:
    """Random events of random users and items, and in a random context."""
    random = np.random.default_rng(seed)

    def values(place: Place) -> dict[str, Any]:
        return {each.name: value_of(each.kind.value, random) for each in declared.of(place)}

    events = [
        (
            1 + int(random.integers(USERS)),
            10 + int(random.integers(ITEMS)),
            float(random.choice([1, 2, 4, 5])),
            1_000_000 + 3600 * number,
            values(Place.CONTEXT),
        )
        for number in range(EVENTS)
    ]
    users = [{"id": 1 + row, **values(Place.USERS)} for row in range(USERS)]
    items = [{"id": 10 + row, **values(Place.ITEMS)} for row in range(ITEMS)]
    return small_data.build(events, users, items, declared)


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A data set and both models of it. The ranker's weights are random and large, so that a wrong
    bucket shows.
    """

    known: build.Knowledge
    deep: Ranker
    linear: LogisticModel

    @property
    def data(self) -> Dataset:
        return self.known.data

    def inputs(self, request: ranking.Request, data: Dataset | None = None) -> Inputs:
        """Of every item."""
        known = self.known
        asked = ranking.Known(data or known.data, known.constants, known.state, LENGTH)
        return asked.inputs([request], np.arange(asked.data.items.count)[None])

    def score(self, name: str, inputs: Inputs, data: Dataset | None = None) -> Doubles:
        """[I] logits of a model in eager mode."""
        if name == "baseline":
            return self.linear.logits(inputs, data or self.data)
        with torch.inference_mode():
            found: Doubles = self.deep(inputs).double().numpy()
        return found

    def graph(self, name: str) -> torch.nn.Module:
        """The TorchScript graph of a model."""
        made: torch.nn.Module = (
            build.logistic_module(self.linear, self.known, Calibration())
            if name == "baseline"
            else build.ranker_module(self.deep, self.known, Calibration())
        )
        return torchscript.loaded(torchscript.archive(made))


def fitted(data: Dataset, groups: tuple[FeatureGroup, ...] = ()) -> Fitted:
    torch.manual_seed(0)
    frozen = Constants(centre=3.0, prior=0.5, groups=groups)
    inputs, rows = table.build(data, LENGTH, frozen), np.arange(len(data.events))
    size = ranker.RankerSize(data.users.count, attributes.sizes(data), 8, 0.0, 0.0)
    deep = ranker.create(data, inputs, torch.from_numpy(rows), size=size).eval()
    for each in (*deep.side, deep.of_content):
        torch.nn.init.normal_(each.get_parameter("weight"))
    linear = logistic.fit(inputs, rows, data, data.events.label, penalty=1.0)
    state = State.at(data, None, groups)
    return Fitted(build.Knowledge(data, frozen, state, None, LENGTH), deep, linear)


def some_request(data: Dataset) -> ranking.Request:
    context = data.as_served(data.events.context_of(np.array([EVENTS - 1])))[0]
    return ranking.Request(0, np.arange(3), 2_000_000, context)


def bucket(attribute: Attribute, value: float, now: int) -> int:
    """0 for a value that is missing or out of its limits, else its category or band and 1.

    Of a time, days since 1970, that of its age at the request.
    """
    if attribute.timed:
        value = float(np.float32(max(0.0, now / 86_400 - value))) if value == value else value
    low, high = attribute.limits
    if not low <= value <= high:
        return 0
    if not attribute.banded:
        return int(value) + 1
    edges = [float(np.float32(edge)) for edge in attribute.edges]
    return bisect.bisect_right(edges, value) + 1
