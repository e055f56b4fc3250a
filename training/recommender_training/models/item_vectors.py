"""Vectors of items: the embedding of the id, plus what is known of the item times its weights.

Only those that a batch names are computed, so that a step costs what its batch holds, whatever
the catalogue. Where items have a history, what is known of one depends on the time of the request
that names it, and its id does not.

Legend of shapes: R rows, I items, D embedding, P listed columns, E numbers, V rows of a history,
M moments at which one begins.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recommender_training.data.row_times import END
from recommender_training.features.item_content import Content
from recommender_training.models.embedding_lookup import IdLookup, lookup

#: Share of items whose id is hidden in a batch, so that new items work.
ITEM_DROPOUT = 0.1
#: Odd numbers of 64 bits that spread the bits of a number (SplitMix64).
_MIXERS = (-7046029254386353131, -7723592293110705685)
#: Items whose vectors are computed at once for the whole table.
_BLOCK = 65_536


class ItemContent(nn.Module):
    """Content of the items (`Content`), on the device of the model.

    It is data and not learned, so it is no part of a state.
    """

    places: Tensor
    shares: Tensor
    numbers: Tensor
    moments: Tensor
    keys: Tensor
    owner: Tensor

    def __init__(self, content: Content) -> None:
        """`content` of all items."""
        super().__init__()
        for name in ("places", "shares", "numbers"):
            self.register_buffer(name, getattr(content, name), persistent=False)
        self.start, self.count = content.start, content.count
        self.embedded = content.embedded
        self.dated = content.history is not None
        if content.history is not None:
            for name in ("moments", "keys", "owner"):
                found = torch.from_numpy(getattr(content.history, name))
                self.register_buffer(name, found, persistent=False)

    def forward(self, rows: Tensor, weights: Tensor, times: Tensor | None = None) -> Tensor:
        """[R, D] content of the items at `rows` [R] (row + 1, 0 unknown) times `weights` [., D].

        As it was at `times` [R], by default the newest. The unknown item has none.
        """
        places, shares, numbers = self.known(rows, times)
        found = weights.new_zeros(len(rows), weights.shape[1])
        if self.places.shape[1]:
            each = lookup(weights, places)
            found = torch.bmm(shares.unsqueeze(1), each).squeeze(1)
        width = self.numbers.shape[1]
        if width:
            found = found + numbers @ weights[self.start : self.start + width]
        return found

    def known(self, rows: Tensor, times: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """[R, P] listed columns of these items, [R, P] their shares, and [R, E] their numbers.

        Shares and numbers of the unknown item are 0.
        """
        at, known = (rows - 1).clamp(min=0), (rows > 0).unsqueeze(1).to(self.shares.dtype)
        if self.dated:
            at = self._rows_at(at, torch.full_like(at, END) if times is None else times)
        places, shares, numbers = (
            each.index_select(0, at) for each in (self.places, self.shares, self.numbers)
        )
        return places, shares * known, numbers * known

    def of_names(self, named: Tensor, weights: Tensor, times: Tensor) -> Tensor:
        """[B, ., D] content of the items `named` [B, .] by requests at `times` [B]."""
        at = times_of(named, times) if self.dated else None
        found: Tensor = self(named.reshape(-1), weights, at)
        return found.view(*named.shape, -1)

    def _rows_at(self, items: Tensor, times: Tensor) -> Tensor:
        """[R] rows that count of the items [R] at `times` [R], as `RowTimes.places` finds them;
        the last row, which knows nothing, before the first one of an item.
        """
        begun = torch.searchsorted(self.moments, times.contiguous(), right=True)
        wanted = items * (len(self.moments) + 1) + begun
        place = torch.searchsorted(self.keys, wanted) - 1
        known = (place >= 0) & (self.owner[place.clamp(min=0)] == items)
        return torch.where(known, place, len(self.owner))


def whole_table(
    ids: Tensor, weights: Tensor, content: ItemContent, own: IdLookup, time: int = END
) -> Tensor:
    """[I + 1, D] vectors of all items at a time; row 0 is the unknown one, which has no content.

    `own` has the row of each item in the table `ids` [., D].
    """
    found = ids.new_empty(content.count + 1, ids.shape[1])
    for rows in torch.split(torch.arange(len(found), device=ids.device), _BLOCK):
        at = torch.full_like(rows, time) if content.dated else None
        found[rows] = lookup(ids, own(rows)) + content(rows, weights, at)
    return found


def times_of(named: Tensor, times: Tensor) -> Tensor:
    """[B * .] the time of the request of each name in `named` [B, ...], from `times` [B]."""
    return times.view(-1, *[1] * (named.dim() - 1)).expand_as(named).reshape(-1)


def hidden_ids(rows: Tensor, count: int) -> Tensor:
    """`rows` [R] with those of hidden ids turned into 0.

    Drawn for all `count` items: processes that share a batch hide the same.
    """
    hidden = torch.rand(count, device=rows.device) < ITEM_DROPOUT
    return rows.masked_fill(hidden.index_select(0, rows), 0)


def hidden_names(rows: Tensor) -> Tensor:
    """`rows` [...] with those of hidden ids turned into 0, in time that depends on them alone.

    An id is hidden by a hash of it and of one number a batch: processes that share a batch hide
    the same.
    """
    drawn = int(torch.randint(1 << 62, (), dtype=torch.int64))
    mixed = (rows + drawn) * _MIXERS[0]
    mixed = (mixed ^ ((mixed >> 32) & 0xFFFFFFFF)) * _MIXERS[1]
    hidden = ((mixed >> 40) & 0xFFFFFF) < int(ITEM_DROPOUT * (1 << 24))
    return rows.masked_fill(hidden, 0)


def named_at(
    content: ItemContent, times: Tensor, *named: Tensor
) -> tuple[Tensor, Tensor | None, list[Tensor]]:
    """As `named_rows`, with the time [R] of each row, from those of the requests [B].

    Without a history there are no times, and rows may be shared by requests.
    """
    if not content.dated:
        rows, places = named_rows(content.count + 1, *named)
        return rows, None, places
    rows, places = named_rows(None, *named)
    return rows, torch.cat([times_of(each, times) for each in named]), places


def named_rows(count: int | None, *named: Tensor) -> tuple[Tensor, list[Tensor]]:
    """[R] rows of `count` items that hold all that is named, and where each name is.

    All items where it is no longer than the names, else, and without a count, one row a name.
    Repeated names are not merged: the number of different ones would make shapes depend on data,
    which no compiled step can have.
    """
    if count is not None and count <= sum(each.numel() for each in named):
        return torch.arange(count, device=named[0].device), list(named)
    rows = torch.cat([each.reshape(-1) for each in named])
    parts = torch.split(
        torch.arange(len(rows), device=rows.device), [each.numel() for each in named]
    )
    return rows, [part.view(each.shape) for part, each in zip(parts, named, strict=True)]
