"""Short ways to parse a request within small bounds."""

from __future__ import annotations

from typing import Any

from recommender_serving.domain.types import RecommendRequest
from recommender_serving.protocols.parsing import (
    DATATYPES,
    Limits,
    NamedTensor,
    parse_v1,
    parse_v2,
)

NOW = 1_000_000_000
LIMITS = Limits(max_top_n=50, max_session=6, max_instances=3)


def v1(**instance: Any) -> RecommendRequest:
    (request,) = parse_v1({"instances": [instance]}, LIMITS, NOW)
    return request


def tensor(name: str, *values: Any, datatype: str = "", shape: list[int] | None = None) -> Any:
    return NamedTensor(
        name, datatype or DATATYPES[name], [len(values)] if shape is None else shape, values
    )


def v2(*tensors: NamedTensor) -> RecommendRequest:
    return parse_v2(tensors, LIMITS, NOW)
