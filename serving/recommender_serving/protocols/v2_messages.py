"""One call of the v2 protocol, in a form that REST and gRPC share."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from recommender_serving.protocols.errors import InvalidRequest

OUTPUTS = ("item_ids", "scores", "source", "version", "score_kind")
ARM = "arm"
#: The arm of the user is in answers of an experiment alone, so the metadata do not list it.
ALL_OUTPUTS = (*OUTPUTS, ARM)
MAX_ID = 128  # characters
_ID = re.compile(rf"[!-~]{{1,{MAX_ID}}}")


def request_id(given: str | None) -> str:
    """Return the id that a client gave a request, or a new one if it gave none of use.

    An id is of use if it has 1 to 128 visible ASCII characters, so that logs and headers can
    have it.
    """
    return given if given and _ID.fullmatch(given) else str(uuid.uuid4())


def ids_of(id_: str, instances: int, places: Sequence[int] = ()) -> list[str]:
    """Return the id of each instance of a call.

    `places` are those of the instances in the call of the client, if this is a part of it.
    """
    if len(places) == instances:
        return [f"{id_}-{place}" for place in places]
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
    source: str  # what answered


def wanted_of(asked: Sequence[tuple[str, bool]], raw: bool) -> dict[str, bool]:
    """Return the outputs to send: those asked for, or all, with `raw` as it is given for all.

    Raises:
        InvalidRequest: an output does not exist.
    """
    for name, _ in asked:
        if name not in ALL_OUTPUTS:
            raise InvalidRequest(f"outputs: got {name[:100]!r}; give {', '.join(ALL_OUTPUTS)}")
    return dict(asked) if asked else dict.fromkeys(ALL_OUTPUTS, raw)


def contents_of(name: str, datatype: str, shape: Sequence[int], size: int) -> InvalidRequest:
    """Return the error for raw contents that do not match the shape."""
    return InvalidRequest(
        f"{name[:100]}: got {size} bytes of raw contents; give the {datatype[:20]} values of the "
        f"shape {list(shape)[:8]}, little-endian"
    )
