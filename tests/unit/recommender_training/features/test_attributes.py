"""A feature is declared once: its inputs follow from that, and the age of a time does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.artifact.reference import FeatureReader
from recommender_training.data.dataset import Dataset
from recommender_training.features import attributes, graph, table
from tests.declared_models import EVENTS, LENGTH, Fitted, bucket
from tests.unit.recommender_training.features.declared_models import OF_REQUESTS


def test_what_is_declared_is_among_the_inputs_as_the_bucket_of_its_value(every: Fitted) -> None:
    data = every.data
    assert [each.name for each in data.attributes] == OF_REQUESTS
    inputs = table.build(data, LENGTH, every.known.constants)
    side = data.side_of_events(np.arange(EVENTS))
    for place, attribute in enumerate(data.attributes):
        expected = [
            bucket(attribute, value, int(now))
            for value, now in zip(side[:, place].tolist(), data.events.time, strict=True)
        ]
        assert inputs.side[:, place].tolist() == expected
        assert len({0, *expected}) > 2, "two of those that are known, at least"


@given(st.integers(0, 4 * 10**9), st.integers(-(10**9), 4 * 10**9), st.integers(0, 10**8))
def test_the_age_of_a_time_never_falls_and_is_that_of_the_drift_features(
    now: int, then: int, later: int
) -> None:
    """Drift counts exact seconds; models hold a time to two minutes."""
    side = torch.tensor([[then / 86_400]] * 2, dtype=torch.float32)
    found = graph.aged(side, torch.tensor([True]), torch.tensor([now, now + later]))
    first, second = found[:, 0].tolist()
    assert first <= second
    reader = FeatureReader(
        {"historyLength": 1, "items": {"ids": [], "features": []},
         "features": [{"name": "it", "of": "user", "kind": "Timestamp", "edges": []}]}
    )  # fmt: skip
    exact = reader.read({"user": {"it": then}, "timestamp": now})["it"]
    assert exact == max(0.0, (now - then) / 86_400)
    assert first == pytest.approx(exact, rel=1e-6, abs=170 / 86_400)


def test_fairness_parts_events_by_the_age_at_each(every: Fitted) -> None:
    data, rows = every.data, np.arange(EVENTS)
    place = OF_REQUESTS.index("opened")
    expected = [
        bucket(data.attributes[place], value, int(now)) - 1
        for value, now in zip(data.side_of_events(rows)[:, place].tolist(), data.events.time,
                              strict=True)
    ]  # fmt: skip
    assert attributes.of_events(data, "opened", rows).tolist() == expected
    assert len(set(expected)) > 2


def test_later_events_do_not_change_the_age_of_an_event(every: Fitted) -> None:
    data = every.data
    early = data.until(int(data.events.time[EVENTS // 2]))
    for whole, part in zip(_buckets(data)[: len(early.events)], _buckets(early), strict=True):
        assert whole == part


def _buckets(data: Dataset) -> list[list[int]]:
    side = data.side_of_events(np.arange(len(data.events)))
    found: list[list[int]] = attributes.buckets(data, side, data.events.time).tolist()
    return found
