"""Short ways to parse a request within small bounds."""

from __future__ import annotations

import dataclasses
from typing import Any

from recommender_serving.domain.types import RecommendRequest
from recommender_serving.protocols.request_limits import Limits, datatypes
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.protocols.v2 import parse_v2
from recommender_serving.protocols.v2_messages import NamedTensor
from tests.unit.recommender_serving.serving_samples import SHOP, VOCABULARY, vocabulary_of

NOW = 1_000_000_000
LIMITS = Limits(
    max_top_n=50, max_session=6, max_instances=3, features=vocabulary_of(VOCABULARY).features
)
SHOP_LIMITS = dataclasses.replace(LIMITS, features=vocabulary_of(SHOP).features)


def v1(limits: Limits = LIMITS, **instance: Any) -> RecommendRequest:
    (request,) = parse_v1({"instances": [instance]}, limits, NOW)
    return request


def tensor(name: str, *values: Any, datatype: str = "", shape: list[int] | None = None) -> Any:
    kind = datatype or {**datatypes(LIMITS), **datatypes(SHOP_LIMITS)}[name][0]
    return NamedTensor(name, kind, [len(values)] if shape is None else shape, values)


def v2(*tensors: NamedTensor, limits: Limits = LIMITS) -> RecommendRequest:
    return parse_v2(tensors, limits, NOW)
