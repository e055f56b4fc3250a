"""An embedding table of which a step updates only the rows that it reads.

A row's update is AdamW's, with one second moment for the whole row (the mean over its columns, as
in FBGEMM's `PARTIAL_ROWWISE_ADAM`). Steps that do not read a row have no gradient for it: what
AdamW does in them has a closed form, and is done when the row is next read (ADR 0033).

Legend of shapes: R rows of the table, U different rows of a batch, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recommender_training.trainer.adamw import BETA_1, BETA_2, EPSILON

#: Steps in which a momentum makes most of its moves.
_TAIL = 5
#: Rows of a table that are caught up at once.
_BLOCK = 65_536


@dataclass(frozen=True)
class Pull:
    """A normal prior of the rows of a table, in the units of the loss of a step."""

    strength: float  # 1 / variance / rows of an epoch
    centre: Tensor | None = None  # [R, D] the means; None for zeros


@dataclass(frozen=True)
class SparseAdamWSettings:
    """How the rows of a table are updated."""

    learning_rate: float
    weight_decay: float
    pull: Pull | None = None


class SparseEmbedding:
    """The weights of a table, updated in place, and the optimizer's state of each row."""

    def __init__(
        self, weights: Tensor, settings: SparseAdamWSettings, mean: Tensor | None = None
    ) -> None:
        """`weights` [R, D]; their running `mean` [R, D] is kept too where it is given."""
        count, device = len(weights), weights.device
        self.weights, self.mean, self._settings = weights, mean, settings
        self._first = torch.zeros_like(weights)
        self._second = torch.zeros(count, 1, device=device)
        #: The last step that each row has had, and `Average.kept` after it.
        self._done = torch.zeros(count, dtype=torch.int32, device=device)
        self._kept = torch.zeros(count, 1, device=device)

    @torch.no_grad()
    def catch_up(self, rows: Tensor, done: int, kept: float) -> Tensor:
        """[U, D] the different `rows` [U] after step `done`, of which they have missed some.

        `kept` is `Average.kept` after that step. A row without a gradient so far is where its
        prior has it: there is no data to hold it elsewhere.
        """
        weights = self.weights.index_select(0, rows)
        second = self._second.index_select(0, rows)
        last = self._done.index_select(0, rows).unsqueeze(1).float()
        idle = done - last
        first = self._first.index_select(0, rows)
        # Most of the moves by a momentum are in the first steps, in which the second moment, a
        # hundred times slower, is taken as it was.
        after = last + idle.clamp(max=_TAIL)
        step_size = self._step_size(second, after)
        left = BETA_1**idle
        moved = BETA_1 * (1 - left) / (1 - BETA_1) / _corrected(BETA_1, after)
        weights = self._decayed(weights, idle) - step_size * moved * first
        weights = self._pulled(weights, rows, step_size * idle)
        self.weights.index_copy_(0, rows, weights)
        self._first.index_copy_(0, rows, first * left)
        self._second.index_copy_(0, rows, second * BETA_2**idle)
        self._done.index_fill_(0, rows, done)
        if self.mean is not None:
            share = torch.exp(kept - self._kept.index_select(0, rows))
            mean = self.mean.index_select(0, rows)
            self.mean.index_copy_(0, rows, weights + (mean - weights) * share)
            self._kept.index_fill_(0, rows, kept)
        return weights

    @torch.no_grad()
    def update(self, rows: Tensor, gradient: Tensor, step: int) -> None:
        """Do step number `step`, from 1 on, for `rows` [U] by their `gradient` [U, D].

        They have had all steps before it (`catch_up`).
        """
        first = self._first.index_select(0, rows).lerp_(gradient, 1 - BETA_1)
        square = gradient.square().mean(1, keepdim=True)
        second = self._second.index_select(0, rows).lerp_(square, 1 - BETA_2)
        now = torch.full_like(second, step)
        step_size = self._step_size(second, now)
        weights = self._decayed(self.weights.index_select(0, rows), torch.ones_like(second))
        weights = weights - step_size * first / _corrected(BETA_1, now)
        weights = self._pulled(weights, rows, step_size)
        self.weights.index_copy_(0, rows, weights)
        self._first.index_copy_(0, rows, first)
        self._second.index_copy_(0, rows, second)
        self._done.index_fill_(0, rows, step)

    def catch_up_all(self, done: int, kept: float) -> None:
        """Give all rows the steps up to `done`, a block at a time."""
        count, device = len(self.weights), self.weights.device
        for start in range(0, count, _BLOCK):
            block = torch.arange(start, min(start + _BLOCK, count), device=device)
            self.catch_up(block, done, kept)

    def state(self) -> dict[str, Tensor]:
        """State for a checkpoint, beside weights and mean."""
        return {
            "first": self._first,
            "second": self._second,
            "done": self._done,
            "kept": self._kept,
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state`."""
        for name, mine in self.state().items():
            mine.copy_(state[name])

    def _step_size(self, second: Tensor, step: Tensor) -> Tensor:
        """[U, 1] the learning rate over the root of the second moment, corrected for its start."""
        root = (second / _corrected(BETA_2, step)).sqrt_()
        return self._settings.learning_rate / root.add_(EPSILON)

    def _decayed(self, weights: Tensor, steps: Tensor) -> Tensor:
        """[U, D] after the weight decay of so many `steps` [U, 1]."""
        settings = self._settings
        return weights * (1 - settings.learning_rate * settings.weight_decay) ** steps

    def _pulled(self, weights: Tensor, rows: Tensor, step_sizes: Tensor) -> Tensor:
        """[U, D] after the prior's part in steps of this size in total [U, 1].

        One proximal step, so that many steps at once never go beyond the prior's mean.
        """
        pull = self._settings.pull
        if pull is None:
            return weights
        share = 1 / (1 + pull.strength * step_sizes)
        if pull.centre is None:
            return weights * share
        centre = pull.centre.index_select(0, rows)
        return centre + (weights - centre) * share


def _corrected(beta: float, step: Tensor) -> Tensor:
    """[U, 1] bias correction of a moment after so many steps, since it starts at 0."""
    return 1.0 - beta ** step.clamp(min=1)
