"""DIN (Zhou et al., KDD 2018): a network weighs each event of the history against the target.

Like `DeepFM`, it is not an algorithm of the resource; see there. The attention's first layer reads
[q, k, q - k, q * k] for target q and event k. Its weights W = [Wq, Wk, Wd, Wp] are applied as
(Wq + Wd) q + (Wk - Wd) k + Wp (q * k), the same function: the part of the target is computed once
a row and not once an event, and half of the multiplications go.

Legend of shapes: B batch, L history, K fields of an item, W = K times the embedding's width.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.benchmarks.models.deepfm import linear
from tests.benchmarks.models.field_table import FieldTable
from tests.benchmarks.models.fields import FieldInputs


class DIN(nn.Module):
    """Logit of a positive response to an item after a history of items."""

    def __init__(
        self, sizes: Sequence[int], width: int, hidden: Sequence[int], dropout: float
    ) -> None:
        """`sizes` of the K fields of an item; `hidden` layers of both networks."""
        super().__init__()
        self.table = FieldTable(sizes, width)
        whole = len(sizes) * width
        self.first = linear(4 * whole, hidden[0])
        rest: list[nn.Module] = [nn.Sigmoid()]
        for before, units in itertools.pairwise(hidden):
            rest += [linear(before, units), nn.Sigmoid()]
        self.rest = nn.Sequential(*rest, linear(hidden[-1], 1))
        layers: list[nn.Module] = []
        before = 3 * whole
        for units in hidden:
            # Dice without its learned slope, as RecBole has it, is SiLU.
            layers += [linear(before, units, dropout), nn.BatchNorm1d(units), nn.SiLU()]
            before = units
        self.head = nn.Sequential(*layers, linear(before, 1))

    def forward(self, batch: FieldInputs) -> Tensor:
        """[B] logits; the item's fields are the last columns of `batch.event`."""
        fields = batch.history.shape[2]
        target = self.table(batch.event[:, -fields:]).flatten(1)
        keys = _narrow(self.table(batch.history).flatten(2))
        pooled = self.attend(_narrow(target), keys, batch.present)
        together = torch.cat([pooled, target, pooled * target], 1)
        return torch.as_tensor(self.head(together).squeeze(1))

    def attend(self, target: Tensor, keys: Tensor, present: Tensor) -> Tensor:
        """[B, W] sum of the keys [B, L, W], each weighed against the target [B, W]."""
        by_target, by_key, by_difference, by_product = self.first.weight.chunk(4, 1)
        once = functional.linear(target, by_target + by_difference, self.first.bias)
        hidden = functional.linear(keys, by_key - by_difference)
        hidden = hidden + functional.linear(target.unsqueeze(1) * keys, by_product)
        weights = self.rest(hidden + once.unsqueeze(1)).squeeze(2)
        weights = weights.masked_fill(~present, 0.0) / target.shape[1] ** 0.5
        return torch.bmm(weights.unsqueeze(1), keys).squeeze(1)


def _narrow(values: Tensor) -> Tensor:
    """The values as autocast would cast them, once and not before each use."""
    device = values.device.type
    if torch.is_autocast_enabled(device):
        return values.to(torch.get_autocast_dtype(device))
    return values
