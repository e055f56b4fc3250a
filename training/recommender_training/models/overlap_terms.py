"""How far a request and an item say the same, in the ranker (`features.overlap_features`).

Legend of shapes: B batch, M matches, P listed columns of an item, W lanes of a feature.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recommender_training.features.assembly import Inputs
from recommender_training.features.overlap_features import Overlap
from recommender_training.models.item_vectors import ItemContent

#: Numbers are divided by their deviation, but by no less than this: a match that hardly ever
#: occurs would else move the logit in large steps.
LEAST_SCALE = 0.1
#: Newest rows that the deviations are those of.
MAX_ROWS = 100_000


class OverlapTerms(nn.Module):
    """The part of the logit that depends on how far both sides agree: one weight a match."""

    scale: Tensor

    def __init__(self, matches: Sequence[Overlap]) -> None:
        """All weights are zero."""
        super().__init__()
        self.of = tuple(matches)
        #: By name, so that a champion's weights are taken for the same matches alone.
        self.weights = nn.ParameterDict(
            {each.name: nn.Parameter(torch.zeros(1)) for each in self.of}
        )
        self.register_buffer("scale", torch.ones(len(self.of)))
        for place, each in enumerate(self.of):
            columns = torch.tensor(each.columns, dtype=torch.int64)
            self.register_buffer(f"columns_{place}", columns, persistent=False)

    def forward(self, batch: Inputs, content: ItemContent) -> Tensor:
        """[B, 1] part of the logit from the matches of requests and targets."""
        return (self.numbers(batch, content) @ self.by_number).unsqueeze(1)

    @property
    def by_number(self) -> Tensor:
        """[M] part of the logit from each number."""
        return torch.cat([self.weights[each.name] for each in self.of]) / self.scale

    def numbers(self, batch: Inputs, content: ItemContent) -> Tensor:
        """[B, M] the share of the item's categories that the request names, or the product of
        both embeddings, in units of that of random directions.
        """
        places, shares, numbers = content.known(batch.target, batch.items_at)
        found = []
        for place, each in enumerate(self.of):
            own = slice(each.first, each.first + each.width)
            if each.columns:
                lanes = batch.side[:, own]
                at = self.get_buffer(f"columns_{place}")[lanes.clamp(min=0)]
                at = at.masked_fill(lanes < 0, -1)
                hit = (at.unsqueeze(2) == places.unsqueeze(1)).any(1)
                found.append((hit * shares).sum(1))
            else:
                theirs = numbers[:, each.number : each.number + each.width]
                found.append((batch.vector[:, own] * theirs).sum(1) * each.width**0.5)
        return torch.stack(found, 1)

    def measure(self, batch: Inputs, content: ItemContent) -> None:
        """Take the deviations of the numbers in these rows as their scale."""
        with torch.no_grad():
            self.scale.copy_(self.numbers(batch, content).std(0).clamp(min=LEAST_SCALE))
