"""Bodies of the v2 protocol, in JSON and with raw contents, mean the same as messages."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import orjson
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.protocols import v2_json, v2_proto
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.raw_tensors import pack
from recommender_serving.protocols.v2_messages import (
    ALL_OUTPUTS,
    InferCall,
    InferReply,
    NamedTensor,
    OutputTensor,
)

USER = {"name": "user_id", "datatype": "INT64", "shape": [1]}
SIZED = USER | {"parameters": {"binary_data_size": 8}}
EIGHT = struct.pack("<q", 5)


def body(head: Any, *contents: bytes) -> tuple[bytes, str]:
    """A body with raw contents, and its header."""
    text = orjson.dumps(head)
    return b"".join((text, *contents)), str(len(text))


def test_json_raw_json_and_messages_are_decoded_alike() -> None:
    plain = v2_json.decode(orjson.dumps({"id": "7", "inputs": [USER | {"data": [5]}]}), None)
    raw = v2_json.decode(*body({"id": "7", "inputs": [SIZED]}, EIGHT))
    message = pb.ModelInferRequest(id="7", inputs=[USER | {"contents": {"int64_contents": [5]}}])
    expected = InferCall(
        "7", [NamedTensor("user_id", "INT64", [1], [5])], dict.fromkeys(ALL_OUTPUTS, False)
    )
    assert plain == raw == v2_proto.decode(message) == expected


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        ({}, dict.fromkeys(ALL_OUTPUTS, False)),
        ({"parameters": {"binary_data_output": True}}, dict.fromkeys(ALL_OUTPUTS, True)),
        ({"outputs": [{"name": "scores"}]}, {"scores": False}),
        (
            {
                "outputs": [
                    {"name": "scores", "parameters": {"binary_data": False}},
                    {"name": "item_ids"},
                ],
                "parameters": {"binary_data_output": True},
            },
            {"scores": False, "item_ids": True},
        ),
    ],
)
def test_a_client_chooses_its_outputs_and_their_form(
    head: dict[str, Any], wanted: dict[str, bool]
) -> None:
    assert v2_json.decode(orjson.dumps({"inputs": [], **head}), None).wanted == wanted


REPLY = InferReply(
    "7",
    "recommender",
    "v1",
    [
        OutputTensor("item_ids", "BYTES", ["a", "日本"], raw=True),
        OutputTensor("source", "BYTES", ["model"]),
        OutputTensor("scores", "FP32", [0.5, 0.25], raw=True),
    ],
    "model",
)


def test_raw_outputs_follow_the_json_in_order() -> None:
    content, size = v2_json.encode(REPLY)
    assert size is not None
    outputs = orjson.loads(content[:size])["outputs"]
    assert content[size:] == pack("BYTES", ["a", "日本"]) + pack("FP32", [0.5, 0.25])
    assert [each.get("parameters") for each in outputs] == [
        {"binary_data_size": 15},
        None,
        {"binary_data_size": 8},
    ]
    assert outputs[1]["data"] == ["model"]


@pytest.mark.parametrize(
    ("content", "length", "remedy"),
    [
        (b"[]", None, "the body: got []; give a JSON object"),
        (b"{}", None, "inputs: the body must have a list"),
        (b'{"inputs": {}}', None, "inputs: the body must have a list"),
        (b'{"inputs": [1]}', None, "inputs[0]: got 1; give a JSON object"),
        (b'{"inputs": [{"name": 1}]}', None, "inputs[0].name: got 1; give a string"),
        (b'{"inputs": [], "id": 7}', None, "id: got 7; give a string of at most 128"),
        (b'{"inputs": [], "outputs": 1}', None, "outputs: give a list of objects"),
        (b'{"inputs": [], "outputs": [{}]}', None, "outputs: got 'None'; give item_ids"),
        (b'{"inputs": [], "parameters": 1}', None, "parameters: got 1; give a JSON object"),
        (b"{}", "x", "inference-header-content-length: got 'x'; give the size of the JSON"),
        (b"{}", "-1", "inference-header-content-length"),
        (b"{}", "3", "at most that of the body (2)"),
        (*body({"inputs": [SIZED]}, b"1234"), "the body has 4 more bytes"),
        (*body({"inputs": [SIZED]}, EIGHT, b"x"), "more raw contents than the inputs"),
        (*body({"inputs": [SIZED | {"shape": [2]}]}, EIGHT), "user_id: got 8 bytes of raw"),
        (*body({"inputs": [SIZED | {"shape": ["1"]}]}, EIGHT), "shape: got ['1']; give a list"),
        (orjson.dumps({"inputs": [USER]}), None, "inputs[0].data is missing"),
        (b'{"inputs": ' + b"[" * 3000, None, "the body is not valid JSON"),
        (b'{"inputs": [' + b"[" * 1000 + b"]" * 1001 + b"}", None, "give a JSON object"),
    ],
)
def test_a_malformed_body_is_refused_with_the_remedy(
    content: bytes, length: str | None, remedy: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        v2_json.decode(content, length)
    assert remedy in str(refused.value)
    assert len(str(refused.value)) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["name", "datatype", "shape", "data", "inputs", "outputs", "parameters",
                         "binary_data_size", "id"]) | st.text(max_size=3),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON, st.none() | st.integers(0, 40).map(str), st.binary(max_size=12))
def test_any_json_is_decoded_or_refused(head: Any, length: str | None, rest: bytes) -> None:
    try:
        content = orjson.dumps(head)
    except TypeError:  # an integer beyond 64 bits
        content = str(head).encode()
    try:
        call = v2_json.decode(content + rest, length)
    except InvalidRequest:
        return
    assert all(isinstance(tensor.values, list) for tensor in call.tensors)


@given(st.binary(max_size=80))
def test_any_message_is_decoded_or_refused(data: bytes) -> None:
    try:
        message = pb.ModelInferRequest.FromString(data)
    except DecodeError:
        return
    with contextlib.suppress(InvalidRequest):
        assert len(v2_proto.decode(message).tensors) == len(message.inputs)


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        (
            pb.ModelInferRequest(inputs=[USER, USER], raw_input_contents=[EIGHT]),
            "give one of each",
        ),
        (
            pb.ModelInferRequest(
                inputs=[USER | {"contents": {"int64_contents": [5]}}], raw_input_contents=[EIGHT]
            ),
            "raw or typed, not both",
        ),
        (pb.ModelInferRequest(id="x" * 129), "at most 128"),
        (pb.ModelInferRequest(outputs=[{"name": "ids"}]), "outputs: got 'ids'; give item_ids"),
    ],
)
def test_a_malformed_message_is_refused_with_the_remedy(message: Any, remedy: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        v2_proto.decode(message)
    assert remedy in str(refused.value)


def test_typed_outputs_have_the_field_of_their_datatype() -> None:
    typed = [OutputTensor(each.name, each.datatype, each.values) for each in REPLY.outputs]
    response = v2_proto.encode(InferReply("7", "recommender", "v1", typed, "model"))
    assert [list(each.contents.bytes_contents) for each in response.outputs[:2]] == [
        [b"a", "日本".encode()],
        [b"model"],
    ]
    assert list(response.outputs[2].contents.fp32_contents) == [0.5, 0.25]
    assert list(response.raw_output_contents) == []
