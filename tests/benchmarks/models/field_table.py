"""One embedding table of several fields: lookups in the precision of autocast, and their sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender_training.models.embedding_lookup import lookup


def narrow_lookup(table: Tensor, rows: Tensor) -> Tensor:
    """As `lookup`, in autocast's precision where that is on; gradients are summed in the table's.

    What follows is rounded to that precision anyway, and half of the bytes are moved.
    """
    narrow = _narrow(table)
    if narrow is table.dtype:
        return lookup(table, rows)
    chosen: Tensor = _NarrowLookup.apply(  # type: ignore[no-untyped-call]
        table, rows.reshape(-1), narrow
    )
    return chosen.view(*rows.shape, table.shape[1])


def lookup_with_sums(table: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings [B, F, D] as `narrow_lookup`, of `table` [R, D] and `rows` [B, F]; not rounded,
    their sums over the fields [B, D] and the sum of the squares of each row of the table [R].

    One scatter brings the gradients of all three together.
    """
    found: tuple[Tensor, Tensor, Tensor] = _LookupWithSums.apply(  # type: ignore[no-untyped-call]
        table, rows, _narrow(table)
    )
    return found


def _narrow(table: Tensor) -> torch.dtype:
    device = table.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else table.dtype


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


class _LookupWithSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, table: Tensor, rows: Tensor, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(table, rows)
        total = functional.embedding_bag(rows, table, mode="sum")
        return lookup(table.to(dtype), rows), total, table.square().sum(1)

    @staticmethod
    def backward(
        ctx: Any, by_vector: Tensor, by_total: Tensor, by_square: Tensor
    ) -> tuple[Tensor, None, None]:
        table, rows = ctx.saved_tensors
        gradient = table * (2 * by_square)[:, None]
        each = by_vector.to(table.dtype, copy=True).add_(by_total[:, None])
        return gradient.index_add_(0, rows.reshape(-1), each.flatten(0, 1)), None, None


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

    def rows(self, values: Tensor) -> Tensor:
        """[..., F] rows of the table, for `values` [..., F], each counted from 0 in its field."""
        return values + self.offsets

    def forward(self, values: Tensor) -> Tensor:
        """[..., F, D] embeddings of `values` [..., F]."""
        return narrow_lookup(self.weight, self.rows(values))
