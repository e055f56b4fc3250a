"""A feature is declared once: its inputs follow from that, and the age of a time does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.artifact.reference import FeatureReader
from recommender_training.data import feature_encoding
from recommender_training.data.dataset import Dataset
from recommender_training.data.feature_encoding import Attribute
from recommender_training.features import attributes, event_features, graph, request_columns
from tests.declared_models import EVENTS, LENGTH, Fitted, bucket
from tests.unit.recommender_training.features.declared_models import OF_REQUESTS


def test_what_is_declared_is_among_the_inputs_as_the_bucket_of_its_value(every: Fitted) -> None:
    data = every.data
    assert [each.name for each in data.attributes] == OF_REQUESTS
    inputs = event_features.build_features(data, LENGTH, every.known.constants)
    side = data.side_of_events(np.arange(EVENTS))
    starts, lane = feature_encoding.starts(data.attributes), 0
    for attribute, start in zip(data.attributes, starts, strict=False):
        values = side[:, start : start + attribute.width].tolist()
        expected = [
            lanes(attribute, own, int(now))
            for own, now in zip(values, data.events.time, strict=True)
        ]
        assert inputs.side[:, lane : lane + attribute.lanes].tolist() == expected
        if not attribute.length:
            named = {each for own in expected for each in own if each > 0}
            assert len(named) >= 2, "two of those that are known, at least"
        lane += attribute.lanes
    assert lane == inputs.side.shape[1]


def lanes(attribute: Attribute, values: list[float], now: int) -> list[int]:
    """The buckets of what is known, then -1; only 0 where nothing is."""
    if attribute.length:
        return [0 if math.isnan(values[0]) else -1]
    named = [bucket(attribute, value, now) for value in values]
    known = [each for each in named if each > 0] or [0]
    return [*known, *[-1] * (attribute.lanes - len(known))]


def test_an_embedding_is_in_units_of_the_mean_length_and_zeros_where_it_is_missing(
    every: Fitted,
) -> None:
    data = every.data
    inputs, side = (
        event_features.build_features(data, LENGTH, every.known.constants),
        data.side_of_events(np.arange(EVENTS)),
    )
    for name, place in (("taste_vector", 0), ("query", 2)):
        own, start = attributes.named_buckets(data, name)
        values = side[:, start : start + 2]
        known = ~np.isnan(values[:, 0])
        assert 0 < known.sum() < EVENTS
        found = inputs.vector[:, place : place + 2].numpy()
        np.testing.assert_allclose(found[known], values[known] / own.scale, rtol=1e-6)
        assert not found[~known].any()
    lengths = np.linalg.norm(inputs.vector[:, 2:].numpy(), axis=1)
    assert lengths[lengths > 0].mean() == pytest.approx(1.0, abs=0.3)


def test_numbers_of_an_embedding_stay_in_single_precision_whatever_is_sent() -> None:
    numbers = torch.tensor([[math.inf, -1e30, math.nan, 2.0]])
    found = request_columns.scaled(numbers, torch.tensor([1e-30, 1.0, 1.0, 4.0]))
    assert found.tolist() == [[10.0, -10.0, 0.0, 0.5]]


def test_the_shares_of_the_categories_of_a_request_are_equal_and_sum_to_one() -> None:
    owner, first = torch.tensor([0, 1, 1, 1]), torch.tensor([True, True, False, False])
    none, nan = torch.zeros(4, dtype=torch.bool), math.nan
    values = torch.tensor([[1.0, 0, 2, nan], [nan, nan, nan, nan], [1.0, nan, 4, nan]])
    buckets = graph.side_buckets(values, torch.zeros(4, 0), none)
    found = request_columns.named(buckets, torch.isnan(values), owner, first, none)
    assert found.tolist() == [[2, 1, 3, -1], [0, 0, -1, -1], [2, -1, 5, -1]]
    shares = request_columns.shares(found, owner)
    assert shares.tolist() == [[1, 0.5, 0.5, 0], [1, 1, 0, 0], [1, 0, 1, 0]]


def test_an_embedding_that_lacks_a_number_is_missing_as_a_whole() -> None:
    owner, embedded = torch.tensor([0, 1, 1]), torch.tensor([False, True, True])
    side = torch.tensor([[math.nan, 1.0, 2.0], [3.0, 1.0, math.nan]])
    found = request_columns.whole(side, owner, embedded)
    assert torch.isnan(found).tolist() == [[True, False, False], [False, True, True]]
    assert request_columns.said(found, owner).tolist() == [
        [False, True, True],
        [True, False, False],
    ]


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
    own, place = attributes.named_buckets(data, "opened")
    expected = [
        bucket(own, value, int(now)) - 1
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
