"""Model inputs of all events of a data set: built once, then sliced into batches.

Legend of shapes: N events, L history length, I items, G genres, F numbers, T taste numbers,
E numbers of the feature groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from recommender_training.data.dataset import Dataset, Ints
from recommender_training.features import extras, graph, history
from recommender_training.features.declared import FeatureGroup, ordered
from recommender_training.features.taste import Taste, fit_before, rolling


@dataclass(frozen=True)
class Constants:
    """Numbers that are frozen on the training window and travel with the model."""

    centre: float  # mean value of an event
    prior: float  # share of positive responses
    groups: tuple[FeatureGroup, ...] = ()  # that the ranker reads, in the order of `declared`


@dataclass(frozen=True)
class State:
    """What is known of every item at a time."""

    counts: history.ItemCounts  # [I]
    taste: Taste
    extras: extras.Tables | None = None  # what the feature groups need, if any is read

    @classmethod
    def at(cls, data: Dataset, time: int | None, groups: Sequence[FeatureGroup] = ()) -> State:
        """From the events strictly earlier than `time` (all, if None), with what `groups` need."""
        counts = history.counts_at(data.events, time, data.items.count)
        fitted = fit_before(data.events, time, data.items.count)
        return cls(counts, fitted, extras.Tables.at(data, time) if groups else None)


@dataclass(frozen=True)
class Inputs:
    """What both models read, one row an event."""

    user: Tensor  # [N] row + 1; 0 unknown
    side: Tensor  # [N, 3] buckets of age, gender, occupation; 0 unknown
    target: Tensor  # [N] row of the item + 1
    session: Tensor  # [N, L] row of the item + 1; 0 padding or unknown
    present: Tensor  # [N, L]
    recency: Tensor  # [N, L]
    level: Tensor  # [N, L]
    value: Tensor  # [N, L] centred
    numbers: Tensor  # [N, F]
    taste: Tensor  # [N, T]
    label: Tensor  # [N] float
    extra: Tensor  # [N, E]

    def take(self, rows: Tensor) -> Inputs:
        """The rows of a batch."""
        return Inputs(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to(self, device: torch.device) -> Inputs:
        """The same on a device."""
        return Inputs(*(getattr(self, field.name).to(device) for field in fields(self)))

    def __len__(self) -> int:
        return int(self.label.shape[0])


def side_buckets(side: Tensor) -> Tensor:
    """[..., 3] buckets of (age, gender, occupation), where -1 is unknown."""
    age = graph.age_bucket(side[..., 0])
    return torch.stack([age, side[..., 1] + 1, side[..., 2] + 1], -1)


def constants(data: Dataset, rows: Ints, groups: Iterable[FeatureGroup] = ()) -> Constants:
    """Constants of the training rows, and the feature groups that are asked for."""
    return Constants(
        centre=float(data.events.value[rows].mean(dtype=np.float64)),
        prior=float(data.events.label[rows].mean()),
        groups=ordered(groups),
    )


def build(data: Dataset, length: int, frozen: Constants) -> Inputs:
    """Inputs of every event, from strictly earlier events alone."""
    events, items = data.events, data.items
    rows = history.previous_events(events, length)
    present = torch.from_numpy(rows >= 0)
    at = np.where(rows >= 0, rows, 0)
    session = torch.from_numpy(np.where(rows >= 0, events.item[at], -1))
    values = torch.from_numpy(np.where(rows >= 0, events.value[at], 0.0).astype(np.float32))
    times = torch.from_numpy(np.where(rows >= 0, events.time[at], 0))
    now = torch.from_numpy(events.time)
    centre, prior = torch.tensor(frozen.centre), torch.tensor(frozen.prior)
    genres = torch.from_numpy(items.genres)
    before = history.counts_before(events)
    item_part = graph.item_numbers(
        torch.from_numpy(before.events),
        torch.from_numpy(before.positives),
        torch.from_numpy(before.total),
        torch.from_numpy(items.years[events.item]),
        now,
        items.count,
        prior,
    )
    session_part = graph.session_numbers(present, values, times, now, centre, prior)
    profile = graph.genre_profile(session, present, values, genres, centre)
    target = torch.from_numpy(events.item)
    shares = genre_shares(genres)[target]
    pair_part = torch.einsum("ng,ngk->nk", shares, profile)
    return Inputs(
        user=torch.from_numpy(events.user) + 1,
        side=side_buckets(torch.from_numpy(data.users.side[events.user])),
        target=target + 1,
        session=session + 1,
        present=present,
        recency=graph.recency_bucket(now.unsqueeze(1) - times),
        level=graph.value_level(values),
        value=graph.centred(values, centre),
        numbers=torch.cat([item_part, session_part, pair_part], 1),
        taste=rolling(events, rows, items.count),
        label=torch.from_numpy(events.label.astype(np.float32)),
        extra=extras.of_rows(data, frozen.groups, frozen.prior, np.arange(len(events))),
    )


def genre_shares(genres: Tensor) -> Tensor:
    """[I, G] genres of an item, each weighted so that an item's weights sum to one."""
    return genres / genres.sum(1, keepdim=True).clamp(min=1.0)
