"""Features of requests with several columns: MultiCategorical and Embedding.

Models read a MultiCategorical as the mean of the rows of its categories, and an Embedding as its
numbers times a row each. A lane names a row: a category, a number and a time have one lane, a
MultiCategorical has one for each category that it may have, and an Embedding has one that says
that it is missing. A bucket of -1 names none. The functions are TorchScript, for training and the
exported graphs alike. Legend of shapes: N requests, F columns, K lanes, V numbers of embeddings,
P buckets of all features, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from recommender_training.data import feature_encoding
from recommender_training.data.feature_encoding import Attribute
from recommender_training.features.graph import add_rows


@dataclass(frozen=True)
class Layout:
    """The columns and lanes of the declared features of requests."""

    owner: Tensor  # [F] place of the feature of each column
    embedded: Tensor  # [F] whether a column is a number of an Embedding
    lanes: Tensor  # [K] column of each lane; of an Embedding its first
    lane_owner: Tensor  # [K] place of the feature of each lane
    lane_first: Tensor  # [K] whether a lane is the first of its feature
    lane_embedded: Tensor  # [K] whether a lane is that of an Embedding
    numbers: Tensor  # [V] columns of the numbers of embeddings
    number_scale: Tensor  # [V] what each is divided by
    number_rows: Tensor  # [V] its row among the P

    @classmethod
    def of(cls, attributes: Sequence[Attribute]) -> Layout:
        """That of these features, in their order."""
        rows: list[list[float]] = [[] for _ in fields(cls)]
        owner, embedded, lanes, lane_owner, first, alone, numbers, scale, number_rows = rows
        bucket = 0
        for place, (own, start) in enumerate(
            zip(attributes, feature_encoding.starts(attributes), strict=False)
        ):
            owner += [place] * own.width
            embedded += [own.length > 0] * own.width
            lanes += range(start, start + own.lanes)
            lane_owner += [place] * own.lanes
            first += [nth == 0 for nth in range(own.lanes)]
            alone += [own.length > 0] * own.lanes
            numbers += range(start, start + own.length)
            scale += [own.scale] * own.length
            number_rows += range(bucket + 1, bucket + 1 + own.length)
            bucket += own.buckets
        kinds = (
            torch.int64, torch.bool, torch.int64, torch.int64, torch.bool, torch.bool,
            torch.int64, torch.float32, torch.int64,
        )  # fmt: skip
        return cls(*(torch.tensor(row, dtype=kind) for row, kind in zip(rows, kinds, strict=True)))

    @property
    def is_plain(self) -> bool:
        """True if every feature has one column, which names a bucket."""
        return is_plain(self.lane_first, self.embedded)

    def state(self) -> dict[str, Tensor]:
        """The buffers of an exported graph."""
        return {f"side_{field.name}": getattr(self, field.name) for field in fields(self)}


def is_plain(lane_first: Tensor, embedded: Tensor) -> bool:
    """True if every feature has one lane and none is an Embedding (`Layout`)."""
    return bool(lane_first.all()) and not bool(embedded.any())


def owned(values: Tensor, owner: Tensor) -> Tensor:
    """[N, .] for each column the sum of the columns of its feature."""
    total = torch.zeros_like(values).index_add(1, owner, values)
    return total.index_select(1, owner)


def said(side: Tensor, owner: Tensor) -> Tensor:
    """[N, F] True where the feature of a column has any value."""
    return owned((~torch.isnan(side)).to(torch.float32), owner) > 0


def whole(side: Tensor, owner: Tensor, embedded: Tensor) -> Tensor:
    """[N, F] the same without the embeddings that lack a number."""
    lacking = (torch.isnan(side) & embedded).to(torch.float32)
    return side.masked_fill(embedded & (owned(lacking, owner) > 0), float("nan"))


def named(
    buckets: Tensor, unknown: Tensor, owner: Tensor, first: Tensor, embedded: Tensor
) -> Tensor:
    """[N, K] the buckets of the lanes, -1 for a lane that names none.

    A lane without a value (`unknown` [N, K]) names the bucket 0 if it is the first of a feature
    that has none at all. That of a known Embedding names none.
    """
    some = owned((~unknown).to(torch.float32), owner) > 0
    none = (unknown & (some | ~first)) | (~unknown & embedded)
    return buckets.masked_fill(none, -1)


def shares(lanes: Tensor, owner: Tensor) -> Tensor:
    """[N, K] weight of the row of each lane: the lanes of a feature sum to one, or to none."""
    there = (lanes >= 0).to(torch.float32)
    return there / owned(there, owner).clamp(min=1.0)


def scaled(numbers: Tensor, scale: Tensor) -> Tensor:
    """[N, V] the numbers of embeddings as the models read them; 0 where they are missing.

    In units of the mean length in training, and at most ten of them either way, so that no
    request leaves the range of single precision.
    """
    return torch.nan_to_num(numbers / scale, nan=0.0).clamp(min=-10.0, max=10.0)


def add_side(
    start: Tensor, table: Tensor, side: tuple[Tensor, Tensor, Tensor], number_rows: Tensor
) -> Tensor:
    """[B, D] `start` and what `table` [P, D] has of a request (`Serving.read_user`)."""
    rows, share, numbers = side
    if share.size(1) == 0:
        return add_rows(start, table, rows)
    start = start + (table[rows] * share.unsqueeze(2)).sum(1)
    if numbers.size(1) > 0:
        start = start + torch.matmul(numbers, table[number_rows])
    return start


def summed(table: Tensor, side: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """[B, X] the rows of `table` [P, X] that a request names, without those of embeddings."""
    rows, share, _ = side
    if share.size(1) == 0:
        return table[rows].sum(1)
    return (table[rows] * share.unsqueeze(2)).sum(1)
