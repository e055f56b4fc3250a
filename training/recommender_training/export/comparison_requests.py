"""Requests to hold two forms of one graph against each other, of known and unknown ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from recommender_training.common.arrays import Floats, Ints
from recommender_training.data import feature_encoding
from recommender_training.data.dataset import Dataset
from recommender_training.data.feature_encoding import SECONDS_A_DAY
from recommender_training.features import attributes

#: Batch, session length and items wanted; the largest batch is Triton's.
_SHAPES = ((1, 1, 10), (1, 20, 1), (2, 3, 5), (7, 20, 10), (2, 90, 50), (64, 20, 10))
_NOW = 890_000_000


def comparison_requests(data: Dataset) -> Iterator[tuple[Tensor, ...]]:
    """The seven inputs, for batches of several sizes and sessions of several lengths."""
    random = np.random.default_rng(0)
    for shape in _SHAPES:
        yield comparison_request(random, data, shape)


def inputs_of(graph: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The inputs of a graph for the seven of a batch: to one that reads trends, the items of the
    first session are trending for the last request, and so on.
    """
    if not getattr(graph, "by_trends", False):
        return batch
    items, values = batch[2].flip(0), batch[4].flip(0)
    return (*batch, items, values.masked_fill(items < 0, 0.0))


def request_batches(
    batches: Iterable[tuple[Tensor, ...]], most: int
) -> Iterator[tuple[Tensor, ...]]:
    """The same batches, in parts of so many requests at most."""
    for batch in batches:
        yield from zip(*(torch.split(each, most) for each in batch), strict=True)


def comparison_request(
    random: np.random.Generator, data: Dataset, shape: tuple[int, int, int]
) -> tuple[Tensor, ...]:
    """The seven inputs of one batch: batch [B], width of the sessions [L], items wanted.

    Of its users and items one in ten is unknown, of the places of its sessions one in five is
    padding; some events are not earlier than the request, some values unknown, and the first
    session is empty. Of the declared features some are left out, some out of their limits.
    """
    batch, length, wanted = shape
    users, items = data.users.ids, data.items.ids
    session = _some_unknown(random, items, (batch, length))
    session[random.random((batch, length)) < 0.2] = -1
    session[0] = -1
    features = _features(random, data, batch)
    times = _NOW + random.integers(-2_000_000, 100_000, (batch, length))
    values = random.integers(0, 6, (batch, length)).astype(np.float32)
    return (
        torch.from_numpy(_some_unknown(random, users, (batch, 1))),
        torch.from_numpy(features),
        torch.from_numpy(session),
        torch.from_numpy(times),
        torch.from_numpy(values),
        torch.full((batch, 1), _NOW),
        torch.full((batch, 1), wanted),
    )


def _features(random: np.random.Generator, data: Dataset, batch: int) -> Floats:
    """[B, max(F, 1)] values around those that are known."""
    found = np.full((batch, max(data.width, 1)), np.nan)
    for place, each in enumerate(attributes.of_columns(data.attributes)):
        low, high = (each.edges[0], each.edges[-1]) if each.edges else (0.0, float(each.buckets))
        found[:, place] = random.uniform(low - 1, high + 1, batch)
        if each.timed:
            found[:, place] = _NOW / SECONDS_A_DAY - found[:, place]
        if not each.banded and not each.length:
            found[:, place] = np.floor(found[:, place])
    left_out = random.random(found.shape) < 0.3
    for start, each in zip(
        feature_encoding.starts(data.attributes), data.attributes, strict=False
    ):
        if each.length:  # whole, or all of it
            left_out[:, start : start + each.length] = left_out[:, start : start + 1]
    found[left_out] = np.nan
    return found.astype(np.float32)


def _some_unknown(random: np.random.Generator, ids: Ints, shape: tuple[int, int]) -> Ints:
    chosen = random.choice(ids, shape)
    chosen[random.random(shape) < 0.1] = int(ids.max()) + 1
    return np.asarray(chosen, dtype=np.int64)
