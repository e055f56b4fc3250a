"""Model inputs of the events of a data set: computed by batch, and kept where they are few.

Legend of shapes: N events, R rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.common.arrays import Ints
from recommender_training.data.dataset import Dataset
from recommender_training.features import event_history, group_numbers
from recommender_training.features.assembly import (
    Candidates,
    Constants,
    Inputs,
    Requests,
    assemble,
)
from recommender_training.features.model_features import ordered
from recommender_training.features.user_factors import RollingFits

#: Inputs are kept up to this size: about a million events with 20 past ones each.
KEPT_BYTES = 768 * 1024 * 1024
#: Events whose inputs are computed at a time: their parts by item and category are larger than
#: they.
_ROWS = 8192


def constants(data: Dataset, rows: Ints, groups: Iterable[FeatureGroup] = ()) -> Constants:
    """Constants of the training rows, and the feature groups to compute.

    With a declared label, those of the events up to the last of these rows, which the features
    count. The share of positives has half a row of each class more, as it may be 0 or 1.
    """
    events = data.events
    if events.labels is None:
        centre = float(events.value[rows].mean(dtype=np.float64))
        return Constants(centre, float(events.label[rows].mean()), ordered(groups))
    known = events.take(np.arange(int(rows.max(initial=-1)) + 1, dtype=np.int64)).logged
    prior = (float(known.positive.sum()) + 0.5) / (len(known) + 1.0)
    return Constants(float(known.value.mean(dtype=np.float64)), prior, ordered(groups))


@dataclass(frozen=True)
class EventParts:
    """Each event of a data set as a request with one candidate, from strictly earlier events.

    What is held of each event is its place among others and its counts: 20 bytes beside the event,
    where `Inputs` of 20 past events have 690.
    """

    data: Dataset
    length: int
    past: event_history.Histories
    before: event_history.ItemCounts  # [N]
    tastes: RollingFits
    extras: group_numbers.OfEvents

    @classmethod
    def of(
        cls,
        data: Dataset,
        length: int,
        groups: Sequence[FeatureGroup],
        prior: float,
        since: int | None = None,
    ) -> EventParts:
        """Source of the parts of all events, or of those from the time `since` on."""
        # The fits come first: what they hold for a while is a third of what is held of all events.
        tastes = RollingFits.of(data.events, data.items.count, since=since)
        past, before = (
            event_history.Histories.of(data.events),
            event_history.counts_before(data.events),
        )
        numbers = group_numbers.OfEvents.of(data, groups, prior, before)
        return cls(data, length, past, before, tastes, numbers)

    def take(self, rows: Ints) -> tuple[Requests, Candidates]:
        """The parts of the events at `rows` [R]."""
        events, session = self.data.events, self.past.before(rows, self.length)
        own, counts = events.take(rows), self.before.take(rows)
        return (
            Requests(own.user.astype(np.int64), own.time, session, events.context_of(rows)),
            Candidates(
                own.item.astype(np.int64)[:, None],
                event_history.ItemCounts(
                    counts.events[:, None], counts.positives[:, None], counts.total[:, None]
                ),
                self.tastes.numbers(events, rows, session).unsqueeze(1),
                self.extras.take(rows).unsqueeze(1),
            ),
        )


@dataclass(frozen=True)
class Features:
    """Inputs of the events of a data set, computed when they are requested."""

    parts: EventParts
    frozen: Constants
    device: torch.device | None = None

    @classmethod
    def of(cls, data: Dataset, length: int, frozen: Constants) -> Features:
        """Source of the inputs of all events."""
        return cls(EventParts.of(data, length, frozen.groups, frozen.prior), frozen)

    def take(self, rows: Tensor) -> Inputs:
        """[R] inputs of these events, from strictly earlier events alone.

        What they are does not depend on the other rows, but for the last bits of taste.
        """
        own, data = rows.cpu().numpy(), self.parts.data
        label = torch.from_numpy(data.events.take(own).label.astype(np.float32))
        inputs = assemble(data, self.frozen, *self.parts.take(own), label)
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
        return len(self.parts.data.events)


#: What a model is fitted on and evaluated by: `take` gives the rows of a batch.
Source = Inputs | Features


def source(data: Dataset, length: int, frozen: Constants) -> Source:
    """The inputs of every event: kept where they fit KEPT_BYTES, computed by batch otherwise."""
    features = Features.of(data, length, frozen)
    row = features.take(torch.zeros(1, dtype=torch.int64))
    size = sum(getattr(row, field.name).nbytes for field in fields(row))
    return features.all() if size * len(features) <= KEPT_BYTES else features


def build_features(data: Dataset, length: int, frozen: Constants) -> Inputs:
    """Inputs of every event, from strictly earlier events alone."""
    return Features.of(data, length, frozen).all()


def columns(inputs: Source, rows: Tensor, names: Sequence[str]) -> list[Tensor]:
    """Some of the fields of these rows, all of them, while the others are held for a few."""
    found: list[list[Tensor]] = []
    for part in torch.split(rows, _ROWS):
        batch = inputs.take(part)
        found.append([getattr(batch, name) for name in names])
    return [torch.cat(column) for column in zip(*found, strict=True)]
