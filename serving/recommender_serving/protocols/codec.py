"""Convert between KServe's types of the v2 protocol and the types of this package."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Mapping

from kserve import InferInput, InferOutput, InferRequest, InferResponse

from recommender_serving.domain.ids import IdKind, IdKinds
from recommender_serving.domain.types import Answer
from recommender_serving.protocols.limits import SESSION_TENSORS, Limits, datatypes
from recommender_serving.protocols.v2 import NamedTensor
from recommender_serving.protocols.validation import InvalidRequest

OUTPUTS = ("item_ids", "scores", "source", "version")


def inputs(limits: Limits) -> list[dict[str, object]]:
    """Describe the inputs in the format of the v2 protocol."""
    return [
        {"name": name, "datatype": kinds[0], "shape": [-1 if name in SESSION_TENSORS else 1]}
        for name, kinds in datatypes(limits).items()
    ]


def outputs(kinds: IdKinds) -> list[dict[str, object]]:
    """Describe the outputs in the format of the v2 protocol."""
    items = "BYTES" if kinds.item is IdKind.TEXT else "INT64"
    tensors = zip(OUTPUTS, (items, "FP32", "BYTES", "BYTES"), (-1, -1, 1, 1), strict=True)
    return [{"name": name, "datatype": kind, "shape": [size]} for name, kind, size in tensors]


def tensors_of(request: InferRequest) -> Iterator[NamedTensor]:
    """Decode the inputs to Python values.

    JSON values stay as they are: NumPy would silently convert a bool or 3.7 to an integer.

    Raises:
        InvalidRequest: the size of raw contents does not match the shape, or a requested output
            does not exist.
    """
    for output in request.request_outputs or []:
        if output.name not in OUTPUTS:
            raise InvalidRequest(f"outputs: got {output.name[:100]!r}; give {', '.join(OUTPUTS)}")
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
    """Flatten a batch dimension; deeper nesting stays and is rejected as a value."""
    for value in data if isinstance(data, list) else [data]:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def response_of(
    request: InferRequest,
    model: str,
    version: str,
    answer: Answer,
    texts: Mapping[int, str] | None = None,
) -> InferResponse:
    """Encode an answer, as raw contents if the client sent raw contents.

    `texts` maps items to their texts, if item ids are texts.
    """
    count, items = len(answer.items), ids_of(answer, texts)
    kind = "INT64" if texts is None else "BYTES"
    return InferResponse(
        response_id=request.id or str(uuid.uuid4()),
        model_name=model,
        model_version=version,
        infer_outputs=[
            InferOutput("item_ids", [count], kind, data=items),
            InferOutput("scores", [count], "FP32", data=list(answer.scores)),
            InferOutput("source", [1], "BYTES", data=[answer.source.value]),
            InferOutput("version", [1], "BYTES", data=[version]),
        ],
        from_grpc=request.from_grpc,
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )


def ids_of(answer: Answer, texts: Mapping[int, str] | None) -> list[int] | list[str]:
    """Return the ids of an answer as clients know them."""
    if texts is None:
        return list(answer.items)
    return [texts[item] for item in answer.items]
