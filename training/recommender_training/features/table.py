"""Model inputs of the events of a data set: computed by batch, and kept where they are few.

Legend of shapes: N events, R rows of a batch, L history length, I items, G genres, F numbers,
T taste numbers, E numbers of the feature groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from recommender_training.common.arrays import Ints
from recommender_training.config.training import FeatureGroup
from recommender_training.data.dataset import Dataset
from recommender_training.features import extras, graph, history
from recommender_training.features.declared import ordered
from recommender_training.features.taste import Fits, Taste, fit_before

#: Inputs are kept up to this size: about a million events with 20 past ones each.
KEPT_BYTES = 768 * 1024 * 1024
#: Events whose inputs are computed at a time: their parts by item and genre are larger than they.
_ROWS = 8192


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
        return Inputs(*(getattr(self, field.name).index_select(0, rows) for field in fields(self)))

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


@dataclass(frozen=True)
class Features:
    """Inputs of the events of a data set, computed when they are asked for.

    What is held of each event is its place among others and its counts: 20 bytes beside the event,
    where `Inputs` of 20 past events have 690.
    """

    data: Dataset
    length: int
    frozen: Constants
    past: history.Histories
    before: history.ItemCounts  # [N]
    tastes: Fits
    extras: extras.OfEvents
    device: torch.device | None = None

    @classmethod
    def of(cls, data: Dataset, length: int, frozen: Constants) -> Features:
        """What the inputs of all events are computed from."""
        # The fits come first: what they hold for a while is a third of what is held of all events.
        tastes = Fits.of(data.events, data.items.count)
        past, before = history.Histories.of(data.events), history.counts_before(data.events)
        groups = extras.OfEvents.of(data, frozen.groups, frozen.prior, before)
        return cls(data, length, frozen, past, before, tastes, groups)

    def take(self, rows: Tensor) -> Inputs:
        """[R] inputs of these events, from strictly earlier events alone.

        What they are does not depend on the other rows, but for the last bits of taste.
        """
        inputs = self._compute(rows.cpu().numpy())
        return inputs if self.device is None else inputs.to(self.device)

    def to(self, device: torch.device) -> Features:
        """The same, whose batches are made on the CPU and land on this device."""
        return replace(self, device=None if device.type == "cpu" else device)

    def all(self) -> Inputs:
        """The inputs of every event, kept."""
        parts = torch.split(torch.arange(len(self)), _ROWS)
        kept: list[Tensor] = []
        for part in parts:
            batch = self.take(part)
            columns = [getattr(batch, field.name) for field in fields(Inputs)]
            kept = kept or [column.new_empty(len(self), *column.shape[1:]) for column in columns]
            for whole, column in zip(kept, columns, strict=True):
                whole[part[0] : part[-1] + 1] = column
        return Inputs(*kept)

    def __len__(self) -> int:
        return len(self.data.events)

    def _compute(self, own: Ints) -> Inputs:
        events, items = self.data.events, self.data.items
        rows = self.past.before(own, self.length)
        present = torch.from_numpy(rows >= 0)
        at = np.where(rows >= 0, rows, 0)
        session = torch.from_numpy(np.where(rows >= 0, events.item[at], -1).astype(np.int64))
        values = torch.from_numpy(np.where(rows >= 0, events.value[at], 0.0).astype(np.float32))
        times = torch.from_numpy(np.where(rows >= 0, events.time[at], 0))
        mine = events.take(own)
        now = torch.from_numpy(mine.time)
        centre, prior = torch.tensor(self.frozen.centre), torch.tensor(self.frozen.prior)
        genres = torch.from_numpy(items.genres)
        before = self.before.take(own)
        item, user = mine.item.astype(np.int64), mine.user.astype(np.int64)
        item_part = graph.item_numbers(
            torch.from_numpy(before.events),
            torch.from_numpy(before.positives),
            torch.from_numpy(before.total),
            torch.from_numpy(items.years[item]),
            now,
            items.count,
            prior,
        )
        session_part = graph.session_numbers(present, values, times, now, centre, prior)
        profile = graph.genre_profile(session, present, values, genres, centre)
        target = torch.from_numpy(item)
        shares = genre_shares(genres)[target]
        pair_part = torch.einsum("ng,ngk->nk", shares, profile)
        return Inputs(
            user=torch.from_numpy(user) + 1,
            side=side_buckets(torch.from_numpy(self.data.users.side[user])),
            target=target + 1,
            session=session + 1,
            present=present,
            recency=graph.recency_bucket(now.unsqueeze(1) - times),
            level=graph.value_level(values),
            value=graph.centred(values, centre),
            numbers=torch.cat([item_part, session_part, pair_part], 1),
            taste=self.tastes.numbers(events, own, rows),
            label=torch.from_numpy(mine.label.astype(np.float32)),
            extra=self.extras.take(own),
        )


#: What a model is fitted on and judged by: `take` gives the rows of a batch.
Source = Inputs | Features


def source(data: Dataset, length: int, frozen: Constants) -> Source:
    """The inputs of every event: kept where they fit KEPT_BYTES, computed by batch otherwise."""
    features = Features.of(data, length, frozen)
    row = features.take(torch.zeros(1, dtype=torch.int64))
    size = sum(getattr(row, field.name).nbytes for field in fields(row))
    return features.all() if size * len(features) <= KEPT_BYTES else features


def build(data: Dataset, length: int, frozen: Constants) -> Inputs:
    """Inputs of every event, from strictly earlier events alone."""
    return Features.of(data, length, frozen).all()


def columns(inputs: Source, rows: Tensor, names: Sequence[str]) -> list[Tensor]:
    """Some of the fields of these rows, all of them, while the others are held for a few."""
    found: list[list[Tensor]] = []
    for part in torch.split(rows, _ROWS):
        batch = inputs.take(part)
        found.append([getattr(batch, name) for name in names])
    return [torch.cat(column) for column in zip(*found, strict=True)]


def genre_shares(genres: Tensor) -> Tensor:
    """[I, G] genres of an item, each weighted so that an item's weights sum to one."""
    return genres / genres.sum(1, keepdim=True).clamp(min=1.0)
