"""Requests become the tensors of the contract."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from recommender_serving.artifact.loader import Vocabulary
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.triton.inputs import Tensor, build
from tests.unit.recommender_serving.serving_samples import (
    HISTORY_LENGTH,
    NOW,
    request,
    sample_artifact,
    session,
)

SIGNATURE = {
    "user_id": "INT64",
    "user_features": "INT64",
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
    def unpack(tensor: Tensor) -> list[float]:
        batch, count = tensor.shape
        assert batch == 1
        code = {"INT64": "q", "FP32": "f"}[tensor.datatype]
        return list(struct.unpack(f"<{count}{code}", tensor.data))

    return {tensor.name: unpack(tensor) for tensor in build(asked, vocabulary)}


def test_the_inputs_are_those_of_the_contract(vocabulary: Vocabulary) -> None:
    tensors = build(request(), vocabulary)
    assert {tensor.name: tensor.datatype for tensor in tensors} == SIGNATURE


def test_an_empty_session_is_padding_alone_of_length_one(vocabulary: Vocabulary) -> None:
    assert values(request(), vocabulary) == {
        "user_id": [1],
        "user_features": [-1, -1, -1],
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


def test_categories_become_indices_and_unknown_ones_minus_one(vocabulary: Vocabulary) -> None:
    known = request(age=24, gender="M", occupation="student")
    assert values(known, vocabulary)["user_features"] == [24, 1, 1]
    unknown = request(age=0, gender="X", occupation=None)
    assert values(unknown, vocabulary)["user_features"] == [0, -1, -1]


@pytest.mark.parametrize("user", [-1, 0, 2**63 - 1, -(2**63)])
def test_any_64_bit_id_fits(vocabulary: Vocabulary, user: int) -> None:
    assert values(request(user_id=user), vocabulary)["user_id"] == [user]
