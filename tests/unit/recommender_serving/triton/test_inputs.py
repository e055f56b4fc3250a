"""Requests become the tensors of the contract."""

from __future__ import annotations

import dataclasses
import math
import struct
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.online_store import RANKED_TRENDS
from recommender_serving.artifact.vocabulary import Vocabulary
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.triton.inputs import Tensor, build_tensors
from tests.unit.recommender_serving import serving_samples as samples
from tests.unit.recommender_serving.serving_samples import (
    HISTORY_LENGTH,
    NOW,
    request,
    sample_artifact,
    session,
)

SIGNATURE = {
    "user_id": "INT64",
    "features": "FP32",
    "session_items": "INT64",
    "session_timestamps": "INT64",
    "session_values": "FP32",
    "timestamp": "INT64",
    "top_n": "INT64",
}


@pytest.fixture
def vocabulary(tmp_path: Path) -> Vocabulary:
    return sample_artifact(tmp_path).vocabulary


def values(asked: RecommendRequest, vocabulary: Vocabulary) -> dict[str, list[float]]:
    return {tensor.name: unpacked(tensor) for tensor in build_tensors(asked, vocabulary)}


def unpacked(tensor: Tensor) -> list[float]:
    batch, count = tensor.shape
    assert batch == 1
    code = {"INT64": "q", "FP32": "f"}[tensor.datatype]
    return list(struct.unpack(f"<{count}{code}", tensor.data))


def test_the_inputs_are_those_of_the_contract(vocabulary: Vocabulary) -> None:
    tensors = build_tensors(request(), vocabulary)
    assert {tensor.name: tensor.datatype for tensor in tensors} == SIGNATURE


def test_models_that_read_trends_get_them_with_padding(vocabulary: Vocabulary) -> None:
    reading = dataclasses.replace(vocabulary, trends=True)
    trends = [(9, 2.5), (5, 0.5)]
    assert build_tensors(request(), vocabulary, trends=trends) == build_tensors(
        request(), vocabulary
    )
    for given in (trends, []):
        *others, items, counts = build_tensors(request(), reading, trends=given)
        assert tuple(others) == build_tensors(request(), vocabulary)
        assert (items.name, items.datatype) == ("trend_items", "INT64")
        assert (counts.name, counts.datatype) == ("trend_counts", "FP32")
        assert items.shape == counts.shape == (1, RANKED_TRENDS)
        gap = RANKED_TRENDS - len(given)
        ids, worth = (unpacked(each) for each in (items, counts))
        assert ids == [item for item, _ in given] + [-1] * gap
        assert worth == [count for _, count in given] + [0.0] * gap


def test_an_empty_session_is_padding_alone_of_length_one(vocabulary: Vocabulary) -> None:
    sent = values(request(), vocabulary)
    assert all(map(math.isnan, sent.pop("features")))
    assert sent == {
        "user_id": [1],
        "session_items": [-1],
        "session_timestamps": [0],
        "session_values": [0.0],
        "timestamp": [NOW],
        "top_n": [3],
    }


def test_a_short_session_is_padded_at_the_left(vocabulary: Vocabulary) -> None:
    sent = values(request(session=session(5, 6)), vocabulary)
    assert sent["session_items"] == [-1, -1, -1, 5, 6]
    assert sent["session_timestamps"] == [0, 0, 0, NOW - 2, NOW - 1]
    assert sent["session_values"] == [0, 0, 0, 4, 4]


def test_a_long_session_keeps_its_newest_events(vocabulary: Vocabulary) -> None:
    sent = values(request(session=session(*range(10))), vocabulary)
    assert sent["session_items"] == list(range(10))[-HISTORY_LENGTH:]


def columns(vocabulary: Vocabulary, **features: Any) -> list[float | None]:
    """What the models get of each feature; None for NaN."""
    sent = values(request(features=features), vocabulary)["features"]
    return [None if math.isnan(value) else value for value in sent]


def test_numbers_stay_and_categories_become_indices(vocabulary: Vocabulary) -> None:
    assert columns(vocabulary, age=24.0, gender="M", occupation="student") == [24, 1, 1]
    assert columns(vocabulary, occupation="artist") == [None, None, 0]


def test_what_is_left_out_or_unknown_is_nan(vocabulary: Vocabulary) -> None:
    assert columns(vocabulary, age=0.0, gender="X") == [0, None, None]


def test_the_columns_are_those_of_the_declaration_in_its_order() -> None:
    shop = samples.vocabulary_of(samples.SHOP)
    given = {"hour": 23.5, "member": "false", "logged_in": "true", "device": "desktop"}
    assert columns(shop, **given) == [0, None, None, 0, 1, 23.5, None]


def test_a_version_without_features_gets_one_column_without_a_value() -> None:
    nothing = samples.vocabulary_of(samples.VOCABULARY | {"features": []})
    assert columns(nothing) == [None]


@pytest.mark.parametrize("user", [-1, 0, 2**63 - 1, -(2**63)])
def test_any_64_bit_id_fits(vocabulary: Vocabulary, user: int) -> None:
    assert values(request(user_id=user), vocabulary)["user_id"] == [user]
