"""What is known of an item beside its id: its categories, embeddings and the bands of its times.

Categories and bands are listed, so that memory follows what the items have.

Legend of shapes: I items, G categories of all features, W of them an item has at most, E numbers
of the embeddings, M times, T bands of all times, P = W or W + M listed columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recommender_training.common.arrays import Doubles, Ints
from recommender_training.data.dataset import Items

#: Bands of a time of items, of about equal shares.
TIME_BANDS = 16


@dataclass(frozen=True)
class ItemTags:
    """The categories of each item, as the graphs hold them (`data.coding.Listed`)."""

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
    """A matrix of what is known of the items, of which the columns with few values are listed.

    Columns: the G categories, the E numbers of the embeddings, the T bands of the times.
    """

    places: Tensor  # [I, P] listed columns; any of them where the share is 0
    shares: Tensor  # [I, P]
    numbers: Tensor  # [I, E] the embeddings, scaled to a mean length of one
    start: int  # G, the column of the first number
    columns: int  # G + E, or G + E + T

    @property
    def count(self) -> int:
        """I, the number of items."""
        return int(self.places.shape[0])


def content(items: Items, *, times: bool = False) -> Content:
    """The categories and embeddings of the items, and the bands of their times if asked for."""
    tags, numbers = item_tags(items), _scaled(items)
    start, columns = tags.count, tags.count + numbers.shape[1]
    places = tags.places.masked_fill(tags.shares == 0, 0)
    shares = tags.shares
    if times:
        band, known = time_bands(items)
        first = columns + TIME_BANDS * torch.arange(band.shape[1])
        places = torch.cat([places, (band + first).masked_fill(~known, 0)], 1)
        shares = torch.cat([shares, known.float()], 1)
        columns += TIME_BANDS * band.shape[1]
    return Content(places, shares, numbers, start, columns)


def _scaled(items: Items) -> Tensor:
    found = items.embeddings
    length = np.sqrt((found.astype(np.float64) ** 2).sum(1))
    mean = float(length[length > 0].mean()) if (length > 0).any() else 1.0
    return torch.from_numpy((found / mean).astype(np.float32)).reshape(items.count, -1)


def content_names(items: Items) -> tuple[str, ...]:
    """[G + E] names of the columns of `content`."""
    return (
        *items.tag_names,
        *(f"embedding:{place}" for place in range(items.embeddings.shape[1])),
    )


def time_bands(items: Items) -> tuple[Tensor, Tensor]:
    """[I, M] the band of each time, and [I, M] whether it is known; the band is 0 where not."""
    times = items.times.reshape(items.count, -1)
    known = ~np.isnan(times)
    bands = np.zeros(times.shape, dtype=np.int64)
    for column in range(times.shape[1]):
        own = known[:, column]
        bands[own, column] = _bands(times[own, column])
    return torch.from_numpy(bands), torch.from_numpy(known)


def _bands(time: Doubles) -> Ints:
    if not len(time):
        return np.zeros(0, dtype=np.int64)
    inner = np.quantile(time, np.arange(1, TIME_BANDS) / TIME_BANDS, method="nearest")
    return np.searchsorted(np.unique(inner), time, side="right")
