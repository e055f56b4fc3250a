"""An exported graph that is replayed reads what its eager model reads, in its own vocabulary."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from recommender_training.artifact.vocabulary import vocabulary
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import predictions
from recommender_training.export import build, torchscript
from recommender_training.export.exported_graph import ExportedGraph, GraphError, _translated
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle, probability
from tests import small_data


class Silent(nn.Module):
    """A graph as an earlier release exported it."""

    def forward(self, user_id: Tensor) -> Tensor:
        return user_id


def replayed(bundle: Bundle, prepared: PreparedData) -> ExportedGraph:
    """The graph of the deep ranker, which knows all events, the window's included."""
    data = prepared.data
    state = CatalogueState.at(data, None, prepared.constants.groups)
    known = build.ExportInputs(data, prepared.constants, state, None, prepared.history_length)
    assert bundle.deep is not None
    module = build.ranker_module(bundle.deep, known, bundle.deep_calibration)
    words: dict[str, Any] = vocabulary(data, prepared.history_length)
    return ExportedGraph(torchscript.loaded(torchscript.archive(module)), words)


def test_a_replayed_graph_predicts_what_the_eager_model_does_before_each_row(
    bundle: Bundle, prepared: PreparedData
) -> None:
    window = predictions.window(prepared, prepared.split.test)
    found = replayed(bundle, prepared).probability(window)
    expected = probability(bundle, prepared, prepared.split.test)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_graph_without_a_bonus_has_none_for_any_item(
    bundle: Bundle, prepared: PreparedData
) -> None:
    assert not replayed(bundle, prepared).bonus(prepared.data.items.ids).any()


def test_a_graph_that_cannot_be_replayed_is_refused_when_it_is_loaded(
    prepared: PreparedData,
) -> None:
    graph = torchscript.loaded(torchscript.archive(Silent()))
    with pytest.raises(GraphError, match="judge"):
        ExportedGraph(graph, vocabulary(prepared.data, prepared.history_length))


def test_categories_are_translated_to_the_vocabulary_of_the_graph() -> None:
    codes = np.array([0, 1, 2, np.nan], dtype=np.float32)
    found = _translated(codes, ("F", "M", "new"), ("M", "X", "F"))
    np.testing.assert_array_equal(found, np.array([2, 0, np.nan, np.nan], dtype=np.float32))


def timed(**settings: str) -> Dataset:
    """A user who joined at 10:00 UTC of 1970-01-01, a Thursday."""
    feature = {"name": "joined", "kind": "Timestamp", **settings}
    declared = FeatureSchema.model_validate({"users": [feature]})
    return small_data.build(
        [(1, 1, 5.0, 50_000)], [{"id": 1, "joined": 36_000}], [{"id": 1}], declared
    )


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("graph", "data", "known"),
    [
        ({"calendar": "HourOfDay"}, {"calendar": "HourOfDay"}, 10.0),
        ({"calendar": "HourOfDay"}, {"calendar": "HourOfDay", "timeZone": "UTC"}, 10.0),
        ({"calendar": "DayOfWeek"}, {"calendar": "DayOfWeek"}, 3.0),
        ({}, {}, 36_000 / 86_400),
        ({"calendar": "HourOfDay"}, {"calendar": "HourOfDay", "timeZone": BERLIN}, None),
        ({"calendar": "DayOfWeek"}, {"calendar": "HourOfDay"}, None),
        ({"calendar": "HourOfDay"}, {}, None),
        ({}, {"calendar": "HourOfDay"}, None),
    ],
)
def test_a_time_is_unknown_to_a_graph_that_reads_it_in_another_way(
    graph: dict[str, str], data: dict[str, str], known: float | None
) -> None:
    own = timed(**data)
    replay = ExportedGraph(SimpleNamespace(judge=None), vocabulary(timed(**graph), 3))  # type: ignore[arg-type]
    found = replay._side(own, own.users.side)
    np.testing.assert_array_equal(found, np.array([[np.nan if known is None else known]], "f4"))


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({"since": [-10, 90_000], "offsets": [5, 0, 3600]}, 10.0),  # before and after the event
        ({"since": [-10, 50_000], "offsets": [5, 3600, 0]}, 10.0),  # the event is at 50,000
        ({"since": [50_001], "offsets": [3600, 0]}, None),
    ],
)
def test_a_graph_keeps_its_calendar_if_the_rules_of_its_zone_differ_at_other_times(
    changes: dict[str, Any], known: float | None
) -> None:
    own = timed(calendar="HourOfDay")
    words = vocabulary(own, 3)
    words["features"][0]["zone"] |= changes
    found = ExportedGraph(SimpleNamespace(judge=None), words)._side(own, own.users.side)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, np.array([[np.nan if known is None else known]], "f4"))
