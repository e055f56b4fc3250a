"""One call of the v2 protocol, in a form that REST and gRPC share."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from recommender_serving.protocols.errors import InvalidRequest

OUTPUTS = ("item_ids", "scores", "source", "version", "score_kind")
ID_HEADER = "x-request-id"
DEADLINE_HEADER = "x-deadline-ms"  # how long the client waits; gRPC has its own
MAX_DEADLINE_MS = 60_000
MAX_ID = 128  # characters
_ID = re.compile(rf"[!-~]{{1,{MAX_ID}}}")


def request_id(given: str | None) -> str:
    """Return the id that a client gave a request, or a new one if it gave none of use.

    An id is of use if it has 1 to 128 visible ASCII characters, so that logs and headers can
    have it.
    """
    return given if given and _ID.fullmatch(given) else str(uuid.uuid4())


def ids_of(id_: str, instances: int) -> list[str]:
    """Return the id of each instance of a call."""
    return [id_] if instances == 1 else [f"{id_}-{index}" for index in range(instances)]


@dataclass(frozen=True, slots=True)
class NamedTensor:
    """An input, decoded to Python values and flat."""

    name: str
    datatype: str
    shape: Sequence[int]
    values: Sequence[object]


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """An output; `raw` asks for raw contents."""

    name: str
    datatype: str
    values: Sequence[object]
    raw: bool = False


@dataclass(frozen=True, slots=True)
class InferCall:
    """A decoded call; `wanted` has the outputs to send, and whether as raw contents."""

    id: str
    tensors: Sequence[NamedTensor]
    wanted: dict[str, bool]


@dataclass(frozen=True, slots=True)
class InferReply:
    """The answer to a call."""

    id: str
    model: str
    version: str
    outputs: Sequence[OutputTensor]


def wanted_of(asked: Sequence[tuple[str, bool]], raw: bool) -> dict[str, bool]:
    """Return the outputs to send: those asked for, or all, with `raw` as it is given for all.

    Raises:
        InvalidRequest: an output does not exist.
    """
    for name, _ in asked:
        if name not in OUTPUTS:
            raise InvalidRequest(f"outputs: got {name[:100]!r}; give {', '.join(OUTPUTS)}")
    return dict(asked) if asked else dict.fromkeys(OUTPUTS, raw)


def contents_of(name: str, datatype: str, shape: Sequence[int], size: int) -> InvalidRequest:
    """Return the error for raw contents that do not match the shape."""
    return InvalidRequest(
        f"{name[:100]}: got {size} bytes of raw contents; give the {datatype[:20]} values of the "
        f"shape {list(shape)[:8]}, little-endian"
    )
