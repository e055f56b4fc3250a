"""Large tables in fewer bytes: whole numbers with one scale a row, or the largest of each row.

Plain tensors and operations of ATen, which every LibTorch has: no quantised engine, no packed
object in the archive. Legend of shapes: R rows, C columns, K kept columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LARGEST = 127


def to_int8(weights: Tensor) -> tuple[Tensor, Tensor]:
    """[R, C] whole numbers from -127 to 127 and [R] scales; off by half a scale at most."""
    scale = weights.abs().amax(1) / _LARGEST
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return torch.round(weights / scale.unsqueeze(1)).to(torch.int8), scale


def from_int8(whole: Tensor, scale: Tensor) -> Tensor:
    """[R, C] the weights that `to_int8` leaves."""
    return whole.to(torch.float32) * scale.unsqueeze(1)


def keep_largest(weights: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """[R, K] columns, ascending, of the largest magnitudes of each row, and their weights.

    K is that share of C, one at least.
    """
    columns = weights.shape[1]
    count = max(1, round(share * columns))
    kept = torch.topk(weights.abs(), count, 1).indices.sort(1).values
    small = torch.int16 if columns <= torch.iinfo(torch.int16).max else torch.int32
    return kept.to(small), torch.gather(weights, 1, kept)


def from_kept(kept: Tensor, values: Tensor, columns: int) -> Tensor:
    """[R, C] the weights that `keep_largest` leaves; 0 elsewhere."""
    empty = torch.zeros(kept.shape[0], columns)
    return empty.scatter_(1, kept.to(torch.int64), values)
