"""Raw contents of the tensors of the v2 protocol: little-endian, in row-major order: pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

#: Format of `struct` of one value, by datatype.
FORMATS = {"BOOL": "?", "INT32": "i", "INT64": "q", "FP32": "f", "FP64": "d"}


def unpack(datatype: str, shape: Sequence[int], data: bytes) -> list[object]:
    """Return the values of a tensor; texts (BYTES) stay bytes, each after its length in 4 bytes.

    Raises:
        ValueError: the datatype is not one of requests, or the size does not match the shape.
    """
    if datatype == "BYTES":
        values = _texts(data)
    elif datatype in FORMATS:
        width = struct.calcsize(f"<{FORMATS[datatype]}")
        count, rest = divmod(len(data), width)
        if rest:
            raise ValueError("the size is no multiple of that of a value")
        values = list(struct.unpack(f"<{count}{FORMATS[datatype]}", data))
    else:
        raise ValueError("the datatype is not one of requests")
    if min(shape, default=1) < 0 or math.prod(shape) != len(values):
        raise ValueError("the number of values is not that of the shape")
    return values


def _texts(data: bytes) -> list[object]:
    values: list[object] = []
    at = 0
    while at < len(data):
        start = at + 4
        end = start + int.from_bytes(data[at:start], "little")
        if start > len(data) or end > len(data):
            raise ValueError("a text ends beyond the data")
        values.append(data[start:end])
        at = end
    return values


def pack(datatype: str, values: Sequence[object]) -> bytes:
    """Return the raw contents of values; texts are encoded in UTF-8."""
    if datatype == "BYTES":
        texts = [str(value).encode() for value in values]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return struct.pack(f"<{len(values)}{FORMATS[datatype]}", *values)
