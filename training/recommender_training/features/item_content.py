"""Content of items beside their ids: categories, embeddings, numbers and bands of times.

Categories and bands are listed, so that memory follows what the items have.

Legend of shapes: I items, G categories of all features, W of them an item has at most, E numbers
of the embeddings, N declared numbers, M times, T bands of all times, P = W or W + M listed
columns; X rows, one an item, or with a history one each time that an item changed, and a last one
that knows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.data.items import Items
from recommender_training.data.row_times import RowTimes

#: Bands of a time of items, of about equal shares.
TIME_BANDS = 16


@dataclass(frozen=True)
class ItemTags:
    """The categories of each item, as the graphs hold them (`data.item_columns.Listed`)."""

    places: Tensor  # [I, W] column of the categories; G for none
    shares: Tensor  # [I, W] those of a feature sum to one; 0 for none
    ends: list[int]  # where the places of each feature end
    count: int  # G


def item_tags(items: Items) -> ItemTags:
    """The categories of the items, feature by feature."""
    found = items.listed
    places, shares = torch.from_numpy(found.places), torch.from_numpy(found.shares)
    return ItemTags(places, shares, list(found.ends), items.category_count)


@dataclass(frozen=True)
class Content:
    """A matrix of what is known of items, of which the columns with few values are listed.

    Columns: the G categories, the E numbers of the embeddings, the N declared numbers, the T bands
    of the times.
    """

    places: Tensor  # [X, P] listed columns; any of them where the share is 0
    shares: Tensor  # [X, P]
    numbers: Tensor  # [X, E + N] embeddings, scaled to a mean length of one; declared numbers
    start: int  # G, the column of the first number
    columns: int  # G + E + N, or G + E + N + T
    history: RowTimes | None = None  # of all rows but the last; None: one row an item
    embedded: int = 0  # E, the first of the numbers

    @property
    def count(self) -> int:
        """I, the number of items."""
        return self.places.shape[0] if self.history is None else self.history.count


def content(items: Items, *, times: bool = False) -> Content:
    """The categories, embeddings and numbers of the items; the bands of their times if asked for.

    With a history those of all its rows. The scale of embeddings and the edges of bands of times
    are then those of the first known value of each item, so that a later one changes nothing
    before it. Bands of numbers, and so the places among them, are those of the training window,
    categories first those of it (`data.feature_encoding`).
    """
    history = None
    if items.history is not None:
        history, items = items.history.times, items.history.rows
    declared = torch.from_numpy(items.positions).reshape(items.count, -1)
    tags, numbers = item_tags(items), torch.cat([_scaled(items, history), declared], 1)
    start, columns = tags.count, tags.count + numbers.shape[1]
    places = tags.places.masked_fill(tags.shares == 0, 0)
    shares = tags.shares
    if times:
        band, known = time_bands(items, history)
        first = columns + TIME_BANDS * torch.arange(band.shape[1])
        places = torch.cat([places, (band + first).masked_fill(~known, 0)], 1)
        shares = torch.cat([shares, known.float()], 1)
        columns += TIME_BANDS * band.shape[1]
    return Content(places, shares, numbers, start, columns, history, items.embeddings.shape[1])


def _scaled(items: Items, history: RowTimes | None) -> Tensor:
    found = items.embeddings
    length = np.sqrt((found.astype(np.float64) ** 2).sum(1))
    of_scale = length[_first(length > 0, history)]
    mean = float(of_scale.mean()) if len(of_scale) else 1.0
    return torch.from_numpy((found / mean).astype(np.float32)).reshape(items.count, -1)


def content_names(items: Items) -> tuple[str, ...]:
    """[G + E + N] names of the columns of `content`."""
    return (
        *items.tag_names,
        *(f"embedding:{place}" for place in range(items.embeddings.shape[1])),
        *items.position_names,
    )


def _first(known: Bools, history: RowTimes | None) -> Bools:
    """[X] the rows that a scale is that of: one an item, where one is `known` [X].

    An item of events alone begins with a row that knows nothing, so rows alone would not do.
    """
    if history is None or not len(known):
        return known
    return np.append(history.first(known[:-1]), np.False_)


def time_bands(items: Items, history: RowTimes | None) -> tuple[Tensor, Tensor]:
    """[X, M] the band of each time, and [X, M] whether it is known; the band is 0 where not.

    Bands have about equal shares of the known times, with a history of each item's first one.
    """
    times = items.times.reshape(items.count, -1)
    known = ~np.isnan(times)
    bands = np.zeros(times.shape, dtype=np.int64)
    for column in range(times.shape[1]):
        own = known[:, column]
        first = _first(own, history)
        bands[own, column] = _bands(times[own, column], times[first, column])
    return torch.from_numpy(bands), torch.from_numpy(known)


def _bands(time: Doubles, of_edges: Doubles) -> Ints:
    if not len(of_edges):
        return np.zeros(len(time), dtype=np.int64)
    inner = np.quantile(of_edges, np.arange(1, TIME_BANDS) / TIME_BANDS, method="nearest")
    return np.searchsorted(np.unique(inner), time, side="right")
