"""Lookups of embedding tables: which row an id reads (`data.id_rows`), with cheap gradients.

The gradient of `index_select` is one scatter; that of `embedding` goes over all indices once a
thread, and takes three times as long at the sizes of a recommender's batch.

Legend of shapes: C ids, R rows of the table, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recommender_training.data.id_rows import IdRows


def lookup(table: Tensor, rows: Tensor) -> Tensor:
    """[..., D] the rows of `table` [R, D] that `rows` [...] names."""
    return table.index_select(0, rows.reshape(-1)).view(*rows.shape, table.shape[1])


def embedding(rows: int, width: int) -> nn.Embedding:
    """A table with fresh weights."""
    table = nn.Embedding(rows, width)
    nn.init.normal_(table.weight, std=0.05)
    return table


class IdLookup(nn.Module):
    """Names of ids (row of the data set + 1, 0 unknown) as rows of a table.

    It is data and not learned, so it is no part of a state.
    """

    rows: Tensor | None

    def __init__(self, found: IdRows) -> None:
        super().__init__()
        self.count = found.count
        rows = None if found.of is None else torch.from_numpy(found.of)
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, names: Tensor) -> Tensor:
        """[...] the row of each of the `names` [...]."""
        if self.rows is None:
            return names
        return self.rows.index_select(0, names.reshape(-1)).view(names.shape).to(torch.int64)

    def means(self, vectors: Tensor, known: Tensor) -> Tensor:
        """[R, D] a table from the `vectors` [C + 1, D] of ids, of which `known` [C + 1] count.

        A shared row is the mean of its known ids; one without any is the unknown one.
        """
        if self.rows is None:
            return vectors
        rows, own = self.rows.to(torch.int64), known & (self.rows > 0)
        sums = vectors.new_zeros(self.count, vectors.shape[1])
        sums.index_add_(0, rows[own], vectors[own])
        each = torch.bincount(rows[own], minlength=self.count).unsqueeze(1)
        found = torch.where(each > 0, sums / each.clamp(min=1), vectors[0])
        return torch.cat([vectors[:1], found[1:]])
