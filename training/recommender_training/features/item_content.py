"""What is known of an item beside its id: its categories and its embeddings, as one matrix.

Legend of shapes: I items, G categories of all features, W of them an item has at most, E numbers
of the embeddings, T bands of the items' times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recommender_training.common.arrays import Floats
from recommender_training.data.dataset import Items

#: Bands of a time of items, of about equal shares.
TIME_BANDS = 16


@dataclass(frozen=True)
class ItemTags:
    """The categories of each item, as the graphs hold them (`data.coding.Listed`)."""

    places: Tensor  # [I, W] column of `Items.tags`; G for none
    shares: Tensor  # [I, W] those of a feature sum to one; 0 for none
    ends: list[int]  # where the places of each feature end
    count: int  # G


def item_tags(items: Items) -> ItemTags:
    """The categories of the items, feature by feature."""
    found = items.listed
    places, shares = torch.from_numpy(found.places), torch.from_numpy(found.shares)
    return ItemTags(places, shares, list(found.ends), items.tags.shape[1])


def tag_shares(items: Items) -> Tensor:
    """[I, G] categories of an item, weighted so that those of each feature sum to one."""
    tags = item_tags(items)
    shares = torch.zeros(items.count, tags.count + 1).scatter_(1, tags.places, tags.shares)
    return shares[:, : tags.count]


def content(items: Items) -> Tensor:
    """[I, G + E] shares of the categories, and the embeddings scaled to a mean length of one."""
    found = items.embeddings
    length = np.sqrt((found.astype(np.float64) ** 2).sum(1))
    mean = float(length[length > 0].mean()) if (length > 0).any() else 1.0
    scaled = torch.from_numpy((found / mean).astype(np.float32))
    return torch.cat([tag_shares(items), scaled.reshape(items.count, -1)], 1)


def content_names(items: Items) -> tuple[str, ...]:
    """[G + E] names of the columns of `content`."""
    return (
        *items.tag_names,
        *(f"embedding:{place}" for place in range(items.embeddings.shape[1])),
    )


def time_bands(items: Items) -> Tensor:
    """[I, T] zero or one: the band of each time; no band where it is unknown."""
    parts = [np.zeros((items.count, 0), dtype=np.float32)]
    parts += [_bands(items.times[:, place]) for place in range(items.times.shape[1])]
    return torch.from_numpy(np.concatenate(parts, axis=1))


def _bands(time: np.ndarray) -> Floats:
    known = ~np.isnan(time)
    hot = np.zeros((len(time), TIME_BANDS), dtype=np.float32)
    if known.any():
        inner = np.quantile(time[known], np.arange(1, TIME_BANDS) / TIME_BANDS, method="nearest")
        band = np.searchsorted(np.unique(inner), time[known], side="right")
        hot[np.flatnonzero(known), band] = 1.0
    return hot
