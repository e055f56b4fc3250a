"""The v2 protocol over REST: JSON, and JSON with raw contents after it: pure.

The second form is the binary data extension of KServe and Triton: the header
`inference-header-content-length` has the size of the JSON, and the contents of each tensor with
the parameter `binary_data_size` follow it in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.raw_tensors import pack, unpack
from recommender_serving.protocols.v2_messages import (
    MAX_ID,
    InferCall,
    InferReply,
    NamedTensor,
    contents_of,
    request_id,
    wanted_of,
)
from recommender_serving.protocols.validation import parse_json, shortened

LENGTH_HEADER = "inference-header-content-length"
MAX_TENSORS = 256
EXAMPLE = '{"inputs": [{"name": "user_id", "datatype": "INT64", "shape": [1], "data": [1]}]}'


def decode(body: bytes, length: str | None, header_id: str | None = None) -> InferCall:
    """Read a body; `length` is the header of the binary form, if there is one.

    A body without an id gets `header_id`.

    JSON values stay as they are: converting them would let a bool or 3.7 pass for an integer.

    Raises:
        InvalidRequest: the body violates the protocol; the fields are validated later.
    """
    head, rest = _parted(body, length)
    call = _object(parse_json(head), "the body")
    inputs = call.get("inputs")
    if not isinstance(inputs, list) or len(inputs) > MAX_TENSORS:
        raise InvalidRequest(
            f"inputs: the body must have a list of at most {MAX_TENSORS} tensors, as in {EXAMPLE}"
        )
    contents = _Contents(rest)
    tensors = [_tensor(f"inputs[{index}]", each, contents) for index, each in enumerate(inputs)]
    if not contents.empty:
        raise InvalidRequest(
            f"the body has more raw contents than the inputs: give {LENGTH_HEADER} and "
            "binary_data_size as they are"
        )
    raw = bool(_parameters(call, "the body").get("binary_data_output", False))
    id_ = _id(call.get("id")) or request_id(header_id)
    return InferCall(id_, tensors, wanted_of(list(_asked(call, raw)), raw))


def encode(reply: InferReply) -> tuple[bytes, int | None]:
    """Return the body, and the size of its JSON if raw contents follow it."""
    outputs: list[dict[str, Any]] = []
    contents: list[bytes] = []
    for tensor in reply.outputs:
        entry: dict[str, Any] = {
            "name": tensor.name,
            "shape": [len(tensor.values)],
            "datatype": tensor.datatype,
        }
        if tensor.raw:
            contents.append(pack(tensor.datatype, tensor.values))
            entry["parameters"] = {"binary_data_size": len(contents[-1])}
        else:
            entry["data"] = tensor.values
        outputs.append(entry)
    head = orjson.dumps(
        {
            "id": reply.id,
            "model_name": reply.model,
            "model_version": reply.version,
            "outputs": outputs,
        }
    )
    return (b"".join((head, *contents)), len(head)) if contents else (head, None)


class _Contents:
    """The raw contents after the JSON, taken from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def empty(self) -> bool:
        return self._at == len(self._data)

    def take(self, size: object, path: str) -> bytes:
        left = len(self._data) - self._at
        if type(size) is not int or not 0 <= size <= left:
            raise InvalidRequest(
                f"{path}.parameters.binary_data_size: got {shortened(size)}; the body has {left} "
                "more bytes of raw contents"
            )
        self._at += size
        return self._data[self._at - size : self._at]


def _parted(body: bytes, length: str | None) -> tuple[bytes, bytes]:
    if length is None:
        return body, b""
    size = int(length) if length.isascii() and length.isdigit() and len(length) < 10 else -1
    if not 0 <= size <= len(body):
        raise InvalidRequest(
            f"{LENGTH_HEADER}: got {length[:40]!r}; give the size of the JSON in bytes, at most "
            f"that of the body ({len(body)})"
        )
    return body[:size], body[size:]


def _tensor(path: str, given: object, contents: _Contents) -> NamedTensor:
    tensor = _object(given, path)
    name, datatype, shape = tensor.get("name"), tensor.get("datatype"), tensor.get("shape")
    for field, value in (("name", name), ("datatype", datatype)):
        if not isinstance(value, str):
            raise InvalidRequest(
                f"the body: {path}.{field}: got {shortened(value)}; give a string"
            )
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise InvalidRequest(
            f"the body: {path}.shape: got {shortened(shape)}; give a list of whole numbers"
        )
    parameters = _parameters(tensor, path)
    if "binary_data_size" in parameters:
        data = contents.take(parameters["binary_data_size"], path)
        try:
            return NamedTensor(str(name), str(datatype), shape, unpack(str(datatype), shape, data))
        except ValueError as error:
            raise contents_of(str(name), str(datatype), shape, len(data)) from error
    if "data" not in tensor:
        raise InvalidRequest(f"the body: {path}.data is missing: give the values of the tensor")
    return NamedTensor(str(name), str(datatype), shape, list(_flat(tensor["data"])))


def _flat(data: object) -> Iterator[object]:
    """Flatten a batch dimension; deeper nesting stays and is rejected as a value."""
    for value in data if isinstance(data, list) else [data]:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def _asked(call: Mapping[str, Any], raw: bool) -> Iterator[tuple[str, bool]]:
    outputs = call.get("outputs") or []
    if not isinstance(outputs, list) or len(outputs) > MAX_TENSORS:
        raise InvalidRequest("outputs: give a list of objects with a name")
    for index, given in enumerate(outputs):
        output = _object(given, f"outputs[{index}]")
        own = _parameters(output, f"outputs[{index}]").get("binary_data", raw)
        yield str(output.get("name")), bool(own)


def _parameters(owner: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    return _object(owner.get("parameters") or {}, f"{path}: parameters")


def _object(given: object, path: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise InvalidRequest(
            f"{path}: got {shortened(given)}; give a JSON object, as in {EXAMPLE}"
        )
    return given


def _id(given: object) -> str:
    if given is None:
        return ""
    if not isinstance(given, str) or len(given) > MAX_ID:
        raise InvalidRequest(
            f"id: got {shortened(given)}; give a string of at most {MAX_ID} characters"
        )
    return given
