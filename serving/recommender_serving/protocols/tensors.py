"""The tensors of a version, as the metadata of the v2 protocol describe them: pure."""

from __future__ import annotations

from dataclasses import dataclass

from recommender_contract.ids import IdKind, IdKinds
from recommender_serving.protocols.calls import OUTPUTS
from recommender_serving.protocols.limits import Limits, datatypes, sizes


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of requests or answers; the size -1 is any."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def inputs(limits: Limits) -> list[Tensor]:
    """Describe the inputs."""
    count = sizes(limits)
    return [Tensor(name, kinds[0], (count[name],)) for name, kinds in datatypes(limits).items()]


def outputs(kinds: IdKinds) -> list[Tensor]:
    """Describe the outputs."""
    items = "BYTES" if kinds.item is IdKind.TEXT else "INT64"
    many = {"item_ids": items, "scores": "FP32"}
    return [
        Tensor(name, many.get(name, "BYTES"), (-1 if name in many else 1,)) for name in OUTPUTS
    ]
