"""Training examples of the two towers: the events of a user, and the item liked next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recommender_training.common.arrays import Ints
from recommender_training.data.dataset import Events
from recommender_training.features.assembly import Inputs
from recommender_training.features.event_features import Source

#: The towers learn from so many pairs, the newest: a fit of more would outlast the ranker's.
MAX_PAIRS = 1_000_000


@dataclass(frozen=True)
class Batch:
    """[B] inputs of requests, and the items (row + 1) that were liked then."""

    inputs: Inputs
    target: Tensor


@dataclass(frozen=True)
class TowerExamples:
    """[M] rows of `inputs` whose session is known, and the item (row + 1) that was liked then."""

    inputs: Source
    context: Tensor
    target: Tensor

    def take(self, rows: Tensor) -> Batch:
        """The pairs of a batch."""
        return Batch(self.inputs.take(self.context[rows]), self.target[rows])

    def to(self, device: torch.device) -> TowerExamples:
        """The same on a device."""
        return TowerExamples(
            self.inputs.to(device), self.context.to(device), self.target.to(device)
        )

    def __len__(self) -> int:
        return int(self.target.shape[0])


def tower_examples(inputs: Source, events: Events, rows: Ints) -> TowerExamples:
    """The pairs of the positive events among `rows`, each seen from before it.

    `inputs` are those of all events, each from strictly earlier events alone.
    """
    liked = rows[events.label[rows]]
    liked = liked[np.lexsort((events.item[liked], events.time[liked], events.user[liked]))]
    target = events.item[liked].astype(np.int64) + 1
    return TowerExamples(
        inputs, torch.from_numpy(liked.astype(np.int64)), torch.from_numpy(target)
    )


def newest(events: Events, rows: Ints) -> Ints:
    """Of `rows`, sorted by time, the last ones: those that make MAX_PAIRS pairs at most."""
    liked = np.flatnonzero(events.label[rows])
    return rows if len(liked) <= MAX_PAIRS else rows[liked[-MAX_PAIRS] :]


def training_and_held(
    inputs: Source, events: Events, train: Ints, held: Ints
) -> tuple[TowerExamples, Tensor, Tensor]:
    """The pairs of training rows and of rows held out, and which of them are which.

    What is held out is predicted from all that came before it.
    """
    first, second = tower_examples(inputs, events, train), tower_examples(inputs, events, held)
    context = torch.cat([first.context, second.context])
    target = torch.cat([first.target, second.target])
    order = torch.arange(len(target))
    return TowerExamples(inputs, context, target), order[: len(first)], order[len(first) :]
