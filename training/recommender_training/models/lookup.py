"""Embedding tables, looked up so that their gradients are cheap.

The gradient of `index_select` is one scatter; that of `embedding` goes over all indices once a
thread, and takes three times as long at the sizes of a recommender's batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def lookup(table: Tensor, rows: Tensor) -> Tensor:
    """[..., D] the rows of `table` [R, D] that `rows` [...] names."""
    return table.index_select(0, rows.reshape(-1)).view(*rows.shape, table.shape[1])


class FieldTable(nn.Module):
    """The embeddings of several fields in one table, looked up at once."""

    offsets: Tensor

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        """`sizes` are the numbers of values of the fields."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(sum(sizes), width))
        nn.init.xavier_normal_(self.weight)
        ends = torch.tensor(sizes).cumsum(0)
        self.register_buffer("offsets", ends - torch.tensor(sizes))

    def forward(self, values: Tensor) -> Tensor:
        """[..., F, D] embeddings of `values` [..., F], each counted from 0 in its field."""
        return lookup(self.weight, values + self.offsets)
