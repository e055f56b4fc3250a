"""DeepFM (Guo et al., IJCAI 2017): a factorisation machine and a network share their embeddings.

It is not an algorithm of the resource: the ranker reads more, and is what is exported. It is here
so that the loop that fits the ranker is measured on a model that other libraries have, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tests.benchmarks.models.dropout import DroppedLinear
from tests.benchmarks.models.field_table import FieldTable, lookup_with_sums
from tests.benchmarks.models.fields import FieldInputs


class DeepFM(nn.Module):
    """Logit of a positive response from the fields of an event."""

    def __init__(
        self, sizes: Sequence[int], width: int, hidden: Sequence[int], dropout: float
    ) -> None:
        """`sizes` of the F fields; `width` of the embeddings; `hidden` layers of the network."""
        super().__init__()
        self.table = FieldTable(sizes, width)
        self.linear = FieldTable(sizes, 1)
        self.bias = nn.Parameter(torch.zeros(1))
        layers: list[nn.Module] = []
        before = len(sizes) * width
        for units in hidden:
            layers += [linear(before, units, dropout), nn.ReLU(inplace=True)]
            before = units
        self.deep = nn.Sequential(*layers, linear(before, 1))

    def forward(self, batch: FieldInputs) -> Tensor:
        """[B] logits.

        The products of all pairs of fields are half of the square of their sum without their own
        squares (Rendle, ICDM 2010, lemma 3.1). These belong to a row of the table as its linear
        weight does, so both are looked up as one number.
        """
        rows = self.table.rows(batch.event)
        vectors, total, squares = lookup_with_sums(self.table.weight, rows)
        own = self.linear.weight.squeeze(1) - 0.5 * squares
        first = own.index_select(0, rows.reshape(-1)).view(rows.shape).sum(1) + self.bias
        pairs = 0.5 * total.square().sum(1)
        return torch.as_tensor(first + pairs + self.deep(vectors.flatten(1)).squeeze(1))


def linear(inputs: int, outputs: int, dropout: float = 0.0) -> nn.Linear:
    """A layer as DeepFM's authors start it: Xavier's normal weights, no bias."""
    layer = DroppedLinear(inputs, outputs, dropout)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
