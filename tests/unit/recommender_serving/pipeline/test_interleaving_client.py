"""What a candidate is asked for its list, and what of its answer is a list."""

from __future__ import annotations

import pytest

from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.pipeline import interleaving_client
from recommender_serving.protocols import v2_proto
from recommender_serving.protocols.v2_messages import (
    InferCall,
    InferReply,
    NamedTensor,
    OutputTensor,
)


def answer(
    items: list[object], scores: list[float], source: str = "model"
) -> pb.ModelInferResponse:
    kind = "BYTES" if items and isinstance(items[0], str) else "INT64"
    outputs = [
        OutputTensor("item_ids", kind, items),
        OutputTensor("scores", "FP32", scores),
        OutputTensor("source", "BYTES", [source]),
    ]
    return v2_proto.encode(InferReply("r1", "recommender", "movies-11111111", outputs, source))


def test_a_call_is_asked_with_all_its_inputs_for_all_outputs_as_typed_ones() -> None:
    tensors = [
        NamedTensor("user_id", "BYTES", [1], ["ada"]),
        NamedTensor("session_items", "BYTES", [2], [b"tea", "n\u00e4he"]),
        NamedTensor("top_n", "INT64", [1], [3]),
        NamedTensor("age", "FP32", [1], [0.5]),
        NamedTensor("member", "BOOL", [1], [True]),
    ]
    message = v2_proto.message_of(InferCall("r1", tensors, {"source": True}), "recommender")
    assert message is not None
    assert not message.outputs
    read = v2_proto.decode(message)
    assert (read.id, set(read.wanted.values())) == ("r1", {False})
    found = [(each.name, each.datatype, each.shape, list(each.values)) for each in read.tensors]
    assert found == [
        ("user_id", "BYTES", [1], [b"ada"]),
        ("session_items", "BYTES", [2], [b"tea", "n\u00e4he".encode()]),
        ("top_n", "INT64", [1], [3]),
        ("age", "FP32", [1], [0.5]),
        ("member", "BOOL", [1], [True]),
    ]


@pytest.mark.parametrize(
    "tensor",
    [NamedTensor("x", "UINT64", [1], [1]), NamedTensor("x", "INT64", [1], ["one"]),
     NamedTensor("x", "INT64", [1], [2**70])],
)  # fmt: skip
def test_a_value_for_which_a_message_has_no_place_is_not_asked_for(tensor: NamedTensor) -> None:
    assert v2_proto.message_of(InferCall("r1", [tensor], {}), "recommender") is None


def test_a_list_of_numbers_or_of_texts_is_read_with_its_scores() -> None:
    assert interleaving_client._list_of(answer([7, 9], [0.5, 0.25]), int) == [(7, 0.5), (9, 0.25)]
    assert interleaving_client._list_of(answer(["tea", "n\u00e4he"], [0.5, 0.25]), str) == [
        ("tea", 0.5), ("n\u00e4he", 0.25),
    ]  # fmt: skip


@pytest.mark.parametrize("source", ["baseline", "popularity"])
def test_a_fallback_is_no_list_of_the_candidate(source: str) -> None:
    assert interleaving_client._list_of(answer([7, 9], [0.5, 0.25], source), int) is None


@pytest.mark.parametrize(
    ("response", "item_type"),
    [
        (answer(["tea"], [0.5]), int),
        (answer([7], [0.5]), str),
        (answer([7, 7], [0.5, 0.4]), int),
        (answer([7, 8], [0.5]), int),
        (answer([7], [float("nan")]), int),
        (pb.ModelInferResponse(), int),
    ],
)
def test_what_is_no_list_of_the_own_items_is_refused(
    response: pb.ModelInferResponse, item_type: type
) -> None:
    with pytest.raises(ValueError, match=r"list|type|number"):
        interleaving_client._list_of(response, item_type)
