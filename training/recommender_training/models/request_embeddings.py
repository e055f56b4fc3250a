"""Embeddings of request features with several columns (`features.request_columns`).

Legend of shapes: B batch, K lanes, V numbers of embeddings, W lanes and L numbers of one feature,
R rows of its table, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from recommender_training.models.embedding_lookup import lookup

#: Lanes and numbers of each feature; without any, all have one lane and no number.
Spans = Sequence[tuple[int, int]]


def embedding_tables(
    tables: nn.ModuleList, spans: Spans, side: Tensor, vector: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the weights [R, D] of each feature, and its part of both `side` [B, K] and `vector`
    [B, V].
    """
    lane = number = 0
    for table, (lanes, numbers) in zip(tables, spans or ((1, 0),) * len(tables), strict=True):
        weights = table.get_parameter("weight")
        yield weights, side[:, lane : lane + lanes], vector[:, number : number + numbers]
        lane, number = lane + lanes, number + numbers


def embed_request(weights: Tensor, lanes: Tensor, numbers: Tensor) -> Tensor:
    """[B, D] the row of a single lane; else the mean of the rows that the lanes [B, W] name, and
    the numbers [B, L] times their rows. A lane of -1 names none.
    """
    if lanes.shape[1] == 1 and numbers.shape[1] == 0:
        return lookup(weights, lanes[:, 0])
    there = (lanes >= 0).to(weights.dtype)
    share = there / there.sum(1, keepdim=True).clamp(min=1.0)
    found = (lookup(weights, lanes.clamp(min=0)) * share.unsqueeze(2)).sum(1)
    return found + numbers @ weights[1:] if numbers.shape[1] else found
