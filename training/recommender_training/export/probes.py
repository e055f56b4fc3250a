"""Requests to hold two forms of one graph against each other, of known and unknown ids."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from recommender_training.common.arrays import Ints
from recommender_training.features.declared import USER_ATTRIBUTES

#: Batch, session length and items wanted; the largest batch is Triton's.
_SHAPES = ((1, 1, 10), (1, 20, 1), (2, 3, 5), (7, 20, 10), (2, 90, 50), (64, 20, 10))
_NOW = 890_000_000


def probes(users: Ints, items: Ints) -> Iterator[tuple[Tensor, ...]]:
    """The seven inputs, for batches of several sizes and sessions of several lengths."""
    random = np.random.default_rng(0)
    for batch, length, wanted in _SHAPES:
        yield probe(random, users, items, batch, length, wanted)


def probe(
    random: np.random.Generator, users: Ints, items: Ints, batch: int, length: int, wanted: int
) -> tuple[Tensor, ...]:
    """The seven inputs of one batch [B] with sessions of one width [L].

    Of its users and items one in ten is unknown, of the places of its sessions one in five is
    padding; some events are not earlier than the request, some values unknown, and the first
    session is empty.
    """
    session = _some_unknown(random, items, (batch, length))
    session[random.random((batch, length)) < 0.2] = -1
    session[0] = -1
    side = random.integers(-1, 100, (batch, len(USER_ATTRIBUTES)))
    times = _NOW + random.integers(-2_000_000, 100_000, (batch, length))
    values = random.integers(0, 6, (batch, length)).astype(np.float32)
    return (
        torch.from_numpy(_some_unknown(random, users, (batch, 1))),
        torch.from_numpy(side),
        torch.from_numpy(session),
        torch.from_numpy(times),
        torch.from_numpy(values),
        torch.full((batch, 1), _NOW),
        torch.full((batch, 1), wanted),
    )


def _some_unknown(random: np.random.Generator, ids: Ints, shape: tuple[int, int]) -> Ints:
    chosen = random.choice(ids, shape)
    chosen[random.random(shape) < 0.1] = int(ids.max()) + 1
    return np.asarray(chosen, dtype=np.int64)
