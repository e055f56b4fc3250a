"""The same requests in the words of each side, as whole HTTP requests."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from recommender_serving.artifact.loader import Artifact
from recommender_serving.domain.types import RecommendRequest, SessionEvent
from recommender_serving.triton.inputs import Tensors, build_tensors

V1, V2 = "/v1/models/recommender:predict", "/v2/models/recommender/infer"
CODES = {"INT64": "q", "FP32": "f"}
Instance = Mapping[str, Any]


def http(path: str, body: bytes, headers: str = "") -> bytes:
    """A POST over a kept connection."""
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def json_request(path: str, body: object) -> bytes:
    return http(path, json.dumps(body).encode(), "content-type: application/json\r\n")


def for_transformer(instance: Instance, with_session: bool) -> bytes:
    """A v1 request; without its session, which then comes from the store."""
    sent = {name: value for name, value in instance.items() if name != "events"}
    if with_session:
        sent["session"] = [
            {"item": item, "timestamp": at, "value": value}
            for item, at, value in instance["events"]
        ]
    return json_request(V1, {"instances": [sent]})


def tensors(instance: Instance, artifact: Artifact) -> Tensors:
    """What the model reads."""
    request = RecommendRequest(
        user_id=instance["user_id"],
        timestamp=instance["timestamp"],
        top_n=instance["top_n"],
        session=tuple(SessionEvent(*event) for event in instance["events"]),
        features=instance["user"],
    )
    return build_tensors(request, artifact.vocabulary)


def for_triton(given: Tensors) -> bytes:
    """A v2 request with raw contents, which is what costs Triton least."""
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": each.name,
                    "datatype": each.datatype,
                    "shape": each.shape,
                    "parameters": {"binary_data_size": len(each.data)},
                }
                for each in given
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    body = head + b"".join(each.data for each in given)
    return http(V2, body, f"inference-header-content-length: {len(head)}\r\n")


def values(given: Tensors) -> dict[str, Sequence[float]]:
    """The tensors as numbers."""
    return {
        each.name: struct.unpack(f"<{each.shape[1]}{CODES[each.datatype]}", each.data)
        for each in given
    }


def for_peer(given: Tensors, path: str, field: str) -> bytes:
    """An instance whose features are coded and whose session is padded already."""
    # NaN, which Python's JSON has: an unknown feature.
    return json_request(path, {field: [values(given)]})


def for_mlserver(given: Tensors) -> bytes:
    """A v2 request in JSON."""
    numbers = values(given)
    inputs = [
        {
            "name": each.name,
            "datatype": each.datatype,
            "shape": each.shape,
            "data": numbers[each.name],
        }
        for each in given
    ]
    return json_request(V2, {"inputs": inputs})
