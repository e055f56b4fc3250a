"""Requests of the v1 format as the tensors of the exported models."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from recommender_training.config.declaration import Kind
from recommender_training.data import hash_buckets
from recommender_training.data.coding import SECONDS_A_DAY
from recommender_training.data.sessions import Request

PADDING = -1
#: Requests in a batch, and scores of items that a batch holds at most.
_BATCH, _SCORES = 32, 8_000_000


def to_tensors(
    requests: Sequence[Request], vocabulary: dict[str, Any], top_n: int | None = None
) -> tuple[Tensor, ...]:
    """The seven inputs for a batch, sessions padded at the left to the longest one."""
    length = int(vocabulary["historyLength"])
    sessions = [request.get("session", [])[-length:] for request in requests]
    width = max(1, *(len(session) for session in sessions))

    def column(name: str, absent: float) -> list[list[float]]:
        return [
            [absent] * (width - len(session)) + [event.get(name, absent) for event in session]
            for session in sessions
        ]

    codes = [(each["of"], each["name"], _code(each)) for each in vocabulary["features"]]
    wanted = [[top_n or request.get("top_n", 10)] for request in requests]
    return (
        torch.tensor([[request["user_id"]] for request in requests]),
        torch.tensor([_features(request, codes) for request in requests]),
        torch.tensor(column("item", PADDING), dtype=torch.int64),
        torch.tensor(column("timestamp", 0), dtype=torch.int64),
        torch.tensor(column("value", 0.0), dtype=torch.float32),
        torch.tensor([[request["timestamp"]] for request in requests]),
        torch.tensor(wanted),
    )


#: What a value of a feature is in a graph; NaN where it is unknown.
_Code = Callable[[Any], float]


def _features(request: Request, codes: Sequence[tuple[str, str, _Code]]) -> list[float]:
    """The declared features of a request as the graph reads them; NaN where one is unknown."""
    stated = [(request.get(place, {}).get(name), code) for place, name, code in codes]
    return [math.nan if value is None else code(value) for value, code in stated] or [math.nan]


def _code(feature: Mapping[str, Any]) -> _Code:
    if feature["kind"] == Kind.TIMESTAMP:
        return lambda seconds: seconds / SECONDS_A_DAY
    if feature["kind"] != Kind.CATEGORICAL:  # a number, or a Boolean, whose index is 0 or 1
        return float
    index = hash_buckets.index(feature["categories"], hashed="hashBuckets" in feature)
    return lambda name: float(index.get(name, math.nan))


def top_scores(
    module: nn.Module, requests: Sequence[Request], vocabulary: dict[str, Any]
) -> list[float | None]:
    """Score of the first item that the model answers to each request; null for no item."""
    scores: list[float | None] = []
    for batch in _batches(requests, len(vocabulary["items"]["ids"])):
        with torch.inference_mode():
            _, answer = module(*to_tensors(batch, vocabulary, top_n=1))
        first: list[float] = answer[:, 0].tolist() if answer.shape[1] else []
        scores += first or [None] * len(batch)
    return scores


def _batches(requests: Sequence[Request], items: int) -> Iterator[Sequence[Request]]:
    size = max(1, min(_BATCH, _SCORES // max(1, items)))
    for start in range(0, len(requests), size):
        yield requests[start : start + size]
