"""Random masks of the rows of a batch, the same however many processes share the batch.

Each process draws those of the whole batch and uses its own, so that all generators stay in step
and the masks of one process are those of several.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender_training.distributed.group import Share


class RowNoise(nn.Dropout):
    """Dropout of a batch, and random numbers of its rows."""

    #: The part of the batch that this process has; None where it has all of it.
    share: Share | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Dropout of [B, ...]."""
        if self.share is None or not self.training:
            return super().forward(input)
        whole = input.new_ones(self.share.rows, *input.shape[1:])
        return input * functional.dropout(whole, self.p, training=True)[self.share.own]

    def uniform(self, rows: int, device: torch.device) -> Tensor:
        """[B] numbers in [0, 1), one a row."""
        if self.share is None:
            return torch.rand(rows, device=device)
        return torch.rand(self.share.rows, device=device)[self.share.own]
