"""What the two towers learn from: what a user had done, and what he liked afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recommender_training.data.dataset import Events, Ints
from recommender_training.data.splits import Split
from recommender_training.features.table import Inputs

#: How many events of the user lie between what is known and what is to be found, at most. A list
#: is asked for a whole visit and not for the next event alone, so others can be added.
LAGS = (0,)


@dataclass(frozen=True)
class Pairs:
    """[M] rows of `inputs` whose session is known, and the item (row + 1) that was liked later."""

    inputs: Inputs
    context: Tensor
    target: Tensor

    def take(self, rows: Tensor) -> Pairs:
        """The pairs of a batch."""
        return Pairs(self.inputs, self.context[rows], self.target[rows])

    def to(self, device: torch.device) -> Pairs:
        """The same on a device."""
        return Pairs(self.inputs.to(device), self.context.to(device), self.target.to(device))

    def __len__(self) -> int:
        return int(self.target.shape[0])


def pairs(inputs: Inputs, events: Events, rows: Ints, lags: tuple[int, ...] = LAGS) -> Pairs:
    """The pairs whose liked event is one of `rows`; contexts are those events' or earlier ones'.

    `inputs` are those of all events, each from strictly earlier events alone.
    """
    order = np.lexsort((events.item, events.time, events.user))
    user = events.user[order]
    place = np.arange(len(order), dtype=np.int64)
    first = np.maximum.accumulate(np.where(np.r_[True, user[1:] != user[:-1]], place, 0))
    wanted = np.zeros(len(order), dtype=np.bool_)
    wanted[rows] = True
    wanted = (wanted & events.label)[order]
    context, target = [], []
    for lag in lags:
        told = wanted & (place - lag >= first)
        context.append(order[place[told] - lag])
        target.append(events.item[order[told]] + 1)
    return Pairs(
        inputs,
        torch.from_numpy(np.concatenate(context)),
        torch.from_numpy(np.concatenate(target)),
    )


def training_and_held(
    inputs: Inputs, events: Events, split: Split
) -> tuple[Pairs, Tensor, Tensor]:
    """The pairs of training and validation window, and which of them are the ones and the others.

    What is held out is judged from all that came before it.
    """
    train, held = pairs(inputs, events, split.train), pairs(inputs, events, split.validation, (0,))
    context, target = (
        torch.cat([train.context, held.context]),
        torch.cat([train.target, held.target]),
    )
    order = torch.arange(len(target))
    return Pairs(inputs, context, target), order[: len(train)], order[len(train) :]
