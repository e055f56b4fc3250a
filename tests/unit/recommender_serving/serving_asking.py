"""Requests of users while an experiment runs, over each protocol."""

from __future__ import annotations

from typing import Any

import httpx

from recommender_serving.inference import inference_pb2 as pb
from tests.unit.recommender_serving.serving_versions import (
    HEADERS,
    PREDICT,
    Pair,
)

OURS_BEST, THEIRS_BEST = [1, 2], [21, 22]


async def predict(
    of: Pair, *users: int, headers: dict[str, str] | None = None, **fields: Any
) -> httpx.Response:
    body = {"instances": [{"user_id": user, "top_n": 2, **fields} for user in users]}
    return await of.receiver.served.http.post(PREDICT, json=body, headers=headers or HEADERS)


def v2(user: int, **body: Any) -> dict[str, Any]:
    tensors = {"user_id": user, "top_n": 2}
    inputs = [
        {"name": name, "datatype": "INT64", "shape": [1], "data": [value]}
        for name, value in tensors.items()
    ]
    return {"inputs": inputs, **body}


def message(user: int, **fields: Any) -> pb.ModelInferRequest:
    tensors = {"user_id": user, "top_n": 2}
    return pb.ModelInferRequest(
        model_name="recommender",
        inputs=[
            {"name": name, "datatype": "INT64", "shape": [1], "contents": {"int64_contents": [n]}}
            for name, n in tensors.items()
        ],
        **fields,
    )


def outputs(response: pb.ModelInferResponse) -> dict[str, Any]:
    found = {}
    for each in response.outputs:
        values = each.contents.int64_contents or each.contents.bytes_contents
        found[each.name] = list(values or each.contents.fp32_contents)
    return found


async def infer(of: Pair, user: int, headers: dict[str, str] = HEADERS, **fields: Any) -> Any:
    return await of.rpc.ModelInfer(message(user, **fields), metadata=tuple(headers.items()))
