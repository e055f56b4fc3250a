"""Build the input tensors of the Triton models from a request: pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from recommender_contract.online_store import RANKED_TRENDS
from recommender_serving.artifact.vocabulary import Vocabulary
from recommender_serving.domain.types import RecommendRequest

PADDING = -1  # item id of a padded position


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input: little-endian raw contents, and the shape including a batch dimension of 1."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes


#: The inputs of one request.
Tensors = tuple[Tensor, ...]
#: Items with their decayed events, most first.
Ranked = Sequence[tuple[int, float]]


def build_tensors(
    request: RecommendRequest,
    vocabulary: Vocabulary,
    top_n: int | None = None,
    trends: Ranked = (),
) -> Tensors:
    """Build the inputs of docs/contracts.md; `top_n` is another than the request's.

    `trends` are for the models that read them, RANKED_TRENDS at most.

    A session is always padded on the left to `historyLength`. Triton sees only two shapes (1 for
    an empty session, and `historyLength`), so its dynamic batcher can batch requests, and
    TorchScript specialises twice instead of once per length.
    """
    session = request.session[-vocabulary.history_length :]
    gap = vocabulary.history_length - len(session) if session else 1
    # A column, even without features: Triton takes no tensor without elements.
    features = [
        code
        for name, feature in vocabulary.features.items()
        for code in feature.codes(request.features.get(name))
    ] or [math.nan]
    return (
        _int64("user_id", (request.user_id,)),
        _fp32("features", features),
        _int64("session_items", [PADDING] * gap + [event.item for event in session]),
        _int64("session_timestamps", [0] * gap + [event.timestamp for event in session]),
        _fp32("session_values", [0.0] * gap + [event.value for event in session]),
        _int64("timestamp", (request.timestamp,)),
        _int64("top_n", (request.top_n if top_n is None else top_n,)),
        *(_trends(trends) if vocabulary.trends else ()),
    )


def _trends(trends: Ranked) -> Tensors:
    gap = RANKED_TRENDS - len(trends)
    return (
        _int64("trend_items", [item for item, _ in trends] + [PADDING] * gap),
        _fp32("trend_counts", [count for _, count in trends] + [0.0] * gap),
    )


def _int64(name: str, values: Sequence[int]) -> Tensor:
    return Tensor(name, "INT64", (1, len(values)), struct.pack(f"<{len(values)}q", *values))


def _fp32(name: str, values: Sequence[float]) -> Tensor:
    return Tensor(name, "FP32", (1, len(values)), struct.pack(f"<{len(values)}f", *values))
