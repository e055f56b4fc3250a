"""Between KServe's types of the v2 protocol and this package's own."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator

from kserve import InferInput, InferOutput, InferRequest, InferResponse

from recommender_serving.checks import InvalidRequest
from recommender_serving.request import NamedTensor
from recommender_serving.types import Answer

INPUTS = (
    ("user_id", "INT64", [1]),
    ("session_items", "INT64", [-1]),
    ("session_timestamps", "INT64", [-1]),
    ("session_values", "FP32", [-1]),
    ("age", "INT64", [1]),
    ("gender", "BYTES", [1]),
    ("occupation", "BYTES", [1]),
    ("timestamp", "INT64", [1]),
    ("top_n", "INT64", [1]),
    ("session_id", "BYTES", [1]),
)
OUTPUTS = (
    ("item_ids", "INT64", [-1]),
    ("scores", "FP32", [-1]),
    ("source", "BYTES", [1]),
    ("version", "BYTES", [1]),
)


def describe(tensors: tuple[tuple[str, str, list[int]], ...]) -> list[dict[str, object]]:
    """Give the metadata of tensors as the v2 protocol wants it."""
    return [
        {"name": name, "datatype": datatype, "shape": shape} for name, datatype, shape in tensors
    ]


def tensors_of(request: InferRequest) -> Iterator[NamedTensor]:
    """Decode the inputs to Python values.

    Values that came as JSON are passed on untouched: a conversion by NumPy would quietly make
    an integer of a bool or of 3.7.

    Raises:
        InvalidRequest: raw contents do not have the size of the shape, or an output is wanted
            that there is not.
    """
    names = [name for name, _, _ in OUTPUTS]
    for output in request.request_outputs or []:
        if output.name not in names:
            raise InvalidRequest(f"outputs: got {output.name[:100]!r}; give {', '.join(names)}")
    for tensor in request.inputs:
        yield NamedTensor(tensor.name, tensor.datatype, tensor.shape, _values(tensor))


def _values(tensor: InferInput) -> list[object]:
    raw = tensor._raw_data
    if raw is None:
        return list(_flat(tensor.data or []))
    try:
        return list(tensor.as_numpy().ravel().tolist())
    except (ValueError, struct.error, ArithmeticError, TypeError) as error:
        raise InvalidRequest(
            f"{tensor.name}: got {len(raw)} bytes of raw contents; give the {tensor.datatype} "
            f"values of the shape {list(tensor.shape)}, little-endian"
        ) from error


def _flat(data: object) -> Iterator[object]:
    """Flatten the nesting of a batch dimension; deeper nesting stays and is refused as a value."""
    for value in data if isinstance(data, list) else [data]:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def response_of(request: InferRequest, model: str, version: str, answer: Answer) -> InferResponse:
    """Encode an answer; raw where the caller sent raw contents."""
    count = len(answer.items)
    return InferResponse(
        response_id=request.id or str(uuid.uuid4()),
        model_name=model,
        model_version=version,
        infer_outputs=[
            InferOutput("item_ids", [count], "INT64", data=list(answer.items)),
            InferOutput("scores", [count], "FP32", data=list(answer.scores)),
            InferOutput("source", [1], "BYTES", data=[answer.source.value]),
            InferOutput("version", [1], "BYTES", data=[version]),
        ],
        from_grpc=request.from_grpc,
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )
