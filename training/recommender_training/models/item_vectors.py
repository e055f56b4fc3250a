"""Vectors of items: the embedding of the id, plus what is known of the item times its weights.

Only those that a batch names are computed, so that a step costs what its batch holds, whatever
the catalogue. Legend of shapes: R rows, I items, D embedding, P listed columns, E numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender_training.features.item_content import Content
from recommender_training.models.lookup import lookup

#: Share of items whose id is hidden in a batch, so that new items work.
ITEM_DROPOUT = 0.1
#: Items whose vectors are computed at once for the whole table.
_BLOCK = 65_536


class ItemContent(nn.Module):
    """What is known of the items (`Content`), on the device of the model.

    It is data and not learned, so it is no part of a state.
    """

    places: Tensor
    shares: Tensor
    numbers: Tensor

    def __init__(self, content: Content) -> None:
        """`content` of all items."""
        super().__init__()
        for name in ("places", "shares", "numbers"):
            self.register_buffer(name, getattr(content, name), persistent=False)
        self.start, self.count = content.start, content.count

    def forward(self, rows: Tensor, weights: Tensor) -> Tensor:
        """[R, D] content of the items at `rows` [R] (row + 1, 0 unknown) times `weights` [., D].

        The unknown item has none.
        """
        at, known = (rows - 1).clamp(min=0), (rows > 0).unsqueeze(1).to(weights.dtype)
        found = weights.new_zeros(len(rows), weights.shape[1])
        if self.places.shape[1]:
            found = functional.embedding_bag(
                self.places.index_select(0, at),
                weights,
                per_sample_weights=self.shares.index_select(0, at) * known,
                mode="sum",
            )
        width = self.numbers.shape[1]
        if width:
            numbers = self.numbers.index_select(0, at) * known
            found = found + numbers @ weights[self.start : self.start + width]
        return found


def vectors_of(rows: Tensor, ids: Tensor, weights: Tensor, content: ItemContent) -> Tensor:
    """[R, D] vectors of the items at `rows` [R], from the table `ids` [I + 1, D]."""
    return lookup(ids, rows) + content(rows, weights)


def whole_table(ids: Tensor, weights: Tensor, content: ItemContent) -> Tensor:
    """[I + 1, D] vectors of all items; row 0 is the unknown one, which has no content."""
    rows = torch.arange(len(ids), device=ids.device)
    blocks = rows.split(_BLOCK)
    return torch.cat([vectors_of(each, ids, weights, content) for each in blocks])


def hidden_ids(rows: Tensor, count: int) -> Tensor:
    """`rows` [R] with those of hidden ids turned into 0.

    Drawn for all `count` rows of the table: processes that share a batch hide the same.
    """
    hidden = torch.rand(count, device=rows.device) < ITEM_DROPOUT
    return rows.masked_fill(hidden.index_select(0, rows), 0)


def distinct(count: int, *named: Tensor) -> tuple[Tensor, list[Tensor]]:
    """[R] the rows below `count` that are named, ascending, and the place in it of each name.

    Marks, not a sort: quicker at the sizes of a batch.
    """
    seen = torch.zeros(count, dtype=torch.bool, device=named[0].device)
    for each in named:
        seen.index_fill_(0, each.reshape(-1), True)
    place = seen.cumsum(0) - 1
    return seen.nonzero().squeeze(1), [
        place.index_select(0, each.reshape(-1)).view(each.shape) for each in named
    ]
