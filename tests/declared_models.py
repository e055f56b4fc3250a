"""Data sets of any declaration, and both models of one, for tests of what is declared.

Shapes: I items, B requests.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.common.arrays import Doubles
from recommender_training.config.feature_schema import FeatureSchema, FeatureTable
from recommender_training.data.dataset import Dataset
from recommender_training.data.feature_encoding import Attribute
from recommender_training.evaluation import ranking_metrics
from recommender_training.export import build, torchscript
from recommender_training.features import attributes, event_features, overlap_features
from recommender_training.features.assembly import Constants, Inputs
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.models import logistic, ranker
from recommender_training.models.logistic import LogisticModel
from recommender_training.models.ranker import Ranker, RankerSize
from recommender_training.statistics.calibration import Calibration
from tests import small_data

LENGTH, EVENTS, USERS, ITEMS = 4, 80, 8, 9
MODELS = ("recommender", "baseline")
#: Times of the first event, and from which the second row of a history counts.
FIRST, SECOND = 1_000_000, 1_000_000 + 3600 * EVENTS // 2


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


def data_of(declared: FeatureSchema, seed: int) -> Dataset:
    """Random events of random users and items, and in a random context."""
    random = np.random.default_rng(seed)

    def values(place: FeatureTable) -> dict[str, Any]:
        return {each.name: value_of(each.kind.value, random) for each in declared.of(place)}

    events = [
        (
            1 + int(random.integers(USERS)),
            10 + int(random.integers(ITEMS)),
            float(random.choice([1, 2, 4, 5])),
            FIRST + 3600 * number,
            values(FeatureTable.CONTEXT),
        )
        for number in range(EVENTS)
    ]

    def table_of(
        place: FeatureTable, first: int, count: int, *, dated: bool
    ) -> list[dict[str, Any]]:
        starts: list[dict[str, Any]] = (
            [{"valid_from": None}, {"valid_from": SECOND}] if dated else [{}]
        )
        ids = range(first, first + count)
        return [{"id": each, **start, **values(place)} for start in starts for each in ids]

    users = table_of(FeatureTable.USERS, 1, USERS, dated=declared.user_history)
    items = table_of(FeatureTable.ITEMS, 10, ITEMS, dated=declared.item_history)
    return small_data.build(events, users, items, declared)


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A data set and both models of it. The ranker's weights are random and large, so that a wrong
    bucket shows.
    """

    known: build.ExportInputs
    deep: Ranker
    linear: LogisticModel

    @property
    def data(self) -> Dataset:
        return self.known.data

    def inputs(self, request: ranking_metrics.Request, data: Dataset | None = None) -> Inputs:
        """Of every item."""
        known = self.known
        asked = ranking_metrics.Known(data or known.data, known.constants, known.state, LENGTH)
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
    inputs, rows = event_features.build_features(data, LENGTH, frozen), np.arange(len(data.events))
    spans = attributes.spans(data)
    size = RankerSize(
        data.users.count,
        attributes.sizes(data),
        8,
        0.0,
        0.0,
        spans,
        overlap_features.overlap_features(data),
    )
    deep = ranker.create_ranker(data, inputs, torch.from_numpy(rows), size=size).eval()
    for weight in deep.matches.parameters() if deep.matches is not None else ():
        torch.nn.init.normal_(weight)
    for each in (*deep.side, deep.of_content):
        torch.nn.init.normal_(each.get_parameter("weight"))
    linear = logistic.fit(inputs, rows, data, data.events.label, penalty=1.0)
    state = CatalogueState.at(data, None, groups)
    known = build.ExportInputs(data.at_the_end, frozen, state, None, LENGTH)
    return Fitted(known, deep, linear)


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


#: Timestamps that are categories, some of zones with another offset in summer and with half hours.
CALENDARS: list[dict[str, Any]] = [
    {"calendar": "HourOfDay", "timeZone": "America/New_York"},
    {"calendar": "DayOfWeek"},
    {"calendar": "Month", "timeZone": "Asia/Kolkata"},
]
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
    "Timestamp": [{}, *CALENDARS],
    "Embedding": [{"length": 2}],
}
AGES: list[tuple[str, dict[str, Any]]] = [
    ("Timestamp", {"bands": 3}), ("Timestamp", {"edges": [0.1, 20]}),
]  # fmt: skip
ALL_KINDS = st.sampled_from([(kind, each) for kind in SETTINGS for each in SETTINGS[kind]])
OF_REQUEST = ALL_KINDS | st.sampled_from(AGES) | st.just(("MultiCategorical", {"maxPerRow": 2}))


@st.composite
def declarations(draw: st.DrawFn) -> FeatureSchema:
    def features(prefix: str, kinds: Any) -> list[dict[str, Any]]:
        drawn = draw(st.lists(kinds, max_size=3))
        return [{"name": f"{prefix}{n}", "kind": k, **s} for n, (k, s) in enumerate(drawn)]

    context = features("context_", OF_REQUEST)
    served = {"Categorical": "a", "Boolean": "true", "Numeric": "1.5"}
    for each in context:
        if each["kind"] in served and draw(st.booleans()):
            each["servedAs"] = served[each["kind"]]
    return FeatureSchema.model_validate(
        {
            "users": features("of_user_", OF_REQUEST),
            "context": context,
            "items": features("of_item_", ALL_KINDS),
            "userHistory": draw(st.booleans()),
            "itemHistory": draw(st.booleans()),
        }
    )
