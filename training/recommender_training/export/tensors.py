"""Requests of the v1 format as the tensors of the exported models."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from recommender_contract import hash_buckets
from recommender_contract.features import Kind
from recommender_contract.online_store import RANKED_TRENDS
from recommender_training.artifact.vocabulary import width
from recommender_training.data.feature_encoding import SECONDS_A_DAY
from recommender_training.data.local_calendar import LocalCalendar
from recommender_training.data.sessions import Request
from recommender_training.export import torchscript

PADDING = -1
#: Requests in a batch, and scores of items that a batch holds at most.
_BATCH, _SCORES = 32, 8_000_000


def to_tensors(
    requests: Sequence[Request], vocabulary: dict[str, Any], top_n: int | None = None
) -> tuple[Tensor, ...]:
    """The inputs for a batch, sessions padded at the left to the longest one.

    Nothing is said of trends to a graph that reads them.
    """
    length = int(vocabulary["historyLength"])
    sessions = [request.get("session", [])[-length:] for request in requests]
    longest = max(1, *(len(session) for session in sessions))

    def column(name: str, absent: float) -> list[list[float]]:
        return [
            [absent] * (longest - len(session)) + [event.get(name, absent) for event in session]
            for session in sessions
        ]

    codes = [
        (each["of"], each["name"], width(each), _codes(each)) for each in vocabulary["features"]
    ]
    wanted = [[top_n or request.get("top_n", 10)] for request in requests]
    return (
        torch.tensor([[request["user_id"]] for request in requests]),
        torch.tensor([_features(request, codes) for request in requests]),
        torch.tensor(column("item", PADDING), dtype=torch.int64),
        torch.tensor(column("timestamp", 0), dtype=torch.int64),
        torch.tensor(column("value", 0.0), dtype=torch.float32),
        torch.tensor([[request["timestamp"]] for request in requests]),
        torch.tensor(wanted),
        *(_no_trends(len(requests)) if vocabulary.get("trends") else ()),
    )


def _no_trends(requests: int) -> tuple[Tensor, Tensor]:
    shape = requests, RANKED_TRENDS
    return torch.full(shape, PADDING), torch.zeros(shape)


#: What a value of a feature is in a graph: its columns; NaN where one is unknown.
_Codes = Callable[[Any], list[float]]


def _features(request: Request, codes: Sequence[tuple[str, str, int, _Codes]]) -> list[float]:
    """The declared features of a request as the graph reads them; NaN where one is unknown."""
    found: list[float] = []
    for place, name, columns, of in codes:
        value = request.get(place, {}).get(name)
        known = [] if value is None else of(value)
        found += [*known, *[math.nan] * (columns - len(known))]
    return found or [math.nan]


def _codes(feature: Mapping[str, Any]) -> _Codes:
    if feature["kind"] == Kind.EMBEDDING:
        return lambda numbers: [float(number) for number in numbers]
    calendar = LocalCalendar.read(feature)
    if calendar is not None:
        return lambda seconds: [float(calendar.code(seconds))]
    if feature["kind"] == Kind.TIMESTAMP:
        return lambda seconds: [seconds / SECONDS_A_DAY]
    if "categories" not in feature or feature["kind"] == Kind.BOOLEAN:
        return lambda value: [float(value)]  # a number, or a Boolean, whose index is 0 or 1
    index = hash_buckets.index(feature["categories"], hashed="hashBuckets" in feature)
    if feature["kind"] == Kind.MULTI_CATEGORICAL:
        return lambda names: sorted({float(index[name]) for name in names if name in index})
    return lambda name: [float(index.get(name, math.nan))]


def top_scores(
    module: nn.Module, requests: Sequence[Request], vocabulary: dict[str, Any]
) -> list[float | None]:
    """Score of the first item that the model answers to each request; null for no item."""
    scores: list[float | None] = []
    for batch in _batches(requests, len(vocabulary["items"]["ids"])):
        with torchscript.as_served():
            _, answer = module(*to_tensors(batch, vocabulary, top_n=1))
        first: list[float] = answer[:, 0].tolist() if answer.shape[1] else []
        scores += first or [None] * len(batch)
    return scores


def _batches(requests: Sequence[Request], items: int) -> Iterator[Sequence[Request]]:
    size = max(1, min(_BATCH, _SCORES // max(1, items)))
    for start in range(0, len(requests), size):
        yield requests[start : start + size]
