"""DeepFM (Guo et al., IJCAI 2017): a factorisation machine and a network share their embeddings.

It is not an algorithm of the resource: the ranker reads more, and is what is exported. It is here
so that the loop that fits the ranker is measured on a model that other libraries have, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from recommender_training.models.dropout import Dropout
from recommender_training.models.fields import FieldInputs
from recommender_training.models.lookup import FieldTable


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
            layers += [Dropout(dropout), linear(before, units), nn.ReLU()]
            before = units
        self.deep = nn.Sequential(*layers, linear(before, 1))

    def forward(self, batch: FieldInputs) -> Tensor:
        """[B] logits."""
        vectors = self.table(batch.event)
        first = self.linear(batch.event).sum((1, 2)) + self.bias
        return torch.as_tensor(
            first + pairs_of(vectors) + self.deep(vectors.flatten(1)).squeeze(1)
        )


def pairs_of(vectors: Tensor) -> Tensor:
    """[B] sums of the products of all pairs of fields, from embeddings [B, F, D]."""
    found: Tensor = _Pairs.apply(vectors)  # type: ignore[no-untyped-call]
    return found


class _Pairs(torch.autograd.Function):
    """The sum in linear time (Rendle, ICDM 2010, lemma 3.1), and its gradient.

    PyTorch's own gradient of the same formula goes over the batch's embeddings six times, this
    one twice.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        """[B] from `vectors` [B, F, D], in single precision at least."""
        wide = torch.promote_types(vectors.dtype, torch.float32)
        total = vectors.sum(1)
        ctx.save_for_backward(vectors, total)
        squares: Tensor = torch.linalg.vector_norm(vectors, dim=(1, 2), dtype=wide).square()
        return 0.5 * (total.to(wide).square().sum(1) - squares)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """[B, F, D]: of each field, the sum of the others."""
        vectors, total = ctx.saved_tensors
        others: Tensor = total[:, None] - vectors
        return others.mul_(gradient.to(others.dtype)[:, None, None])


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer as DeepFM's authors start it: Xavier's normal weights, no bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
