"""Embedding tables, looked up so that their gradients are cheap.

The gradient of `index_select` is one scatter; that of `embedding` goes over all indices once a
thread, and takes three times as long at the sizes of a recommender's batch.
"""

from __future__ import annotations

from torch import Tensor, nn


def lookup(table: Tensor, rows: Tensor) -> Tensor:
    """[..., D] the rows of `table` [R, D] that `rows` [...] names."""
    return table.index_select(0, rows.reshape(-1)).view(*rows.shape, table.shape[1])


def embedding(rows: int, width: int) -> nn.Embedding:
    """A table with fresh weights."""
    table = nn.Embedding(rows, width)
    nn.init.normal_(table.weight, std=0.05)
    return table
