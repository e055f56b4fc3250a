"""Embedding tables, looked up so that their gradients are cheap.

The gradient of `index_select` is one scatter; that of `embedding` goes over all indices once a
thread, and takes three times as long at the sizes of a recommender's batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def lookup(table: Tensor, rows: Tensor) -> Tensor:
    """[..., D] the rows of `table` [R, D] that `rows` [...] names."""
    return table.index_select(0, rows.reshape(-1)).view(*rows.shape, table.shape[1])


def narrow_lookup(table: Tensor, rows: Tensor) -> Tensor:
    """The same in the precision of autocast, where it is on; gradients are summed in the table's.

    What follows is rounded to that precision anyway, and half of the bytes are moved.
    """
    device = table.device.type
    if not torch.is_autocast_enabled(device):
        return lookup(table, rows)
    chosen: Tensor = _NarrowLookup.apply(  # type: ignore[no-untyped-call]
        table, rows.reshape(-1), torch.get_autocast_dtype(device)
    )
    return chosen.view(*rows.shape, table.shape[1])


class _NarrowLookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape = table.shape
        return table.to(dtype).index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (rows,) = ctx.saved_tensors
        total = torch.zeros(ctx.shape, device=gradient.device)
        return total.index_add_(0, rows, gradient.float()), None, None


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
        return narrow_lookup(self.weight, values + self.offsets)
