"""Options of a fit: its examples, its loss and prior, and its runtime."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
from torch.nn import functional

from recommender_training.distributed.group import ONE_PROCESS, Group
from recommender_training.fitted.predict import Rows
from recommender_training.trainer.augmentation import Augmentation
from recommender_training.trainer.checkpoints import Slot
from recommender_training.trainer.runtime import Runtime
from recommender_training.trainer.sparse_embedding import Pull


class PriorOfWeights(Protocol):
    """Prior of the weights: a term added to the sum of the loss over all rows of an epoch."""

    def __call__(self, without: Collection[str] = ()) -> Tensor:
        """A number, `without` the tables that are updated by row."""
        ...

    def pulls(self, names: Collection[str], rows: int) -> dict[str, Pull]:
        """The same for the rows of these tables, by name."""
        ...


class LossFunction(Protocol):
    """One number from the model's outputs for a batch, the targets and weights of its rows."""

    def __call__(
        self, answers: Tensor, target: Tensor, weight: Tensor | None = None, /, *, reduction: str
    ) -> Tensor:
        """Their sum where `reduction` is so, else their mean."""
        ...


def response(
    answers: Tensor, target: Tensor, weight: Tensor | None = None, /, *, reduction: str
) -> Tensor:
    """The loss of logits of a response."""
    return functional.binary_cross_entropy_with_logits(
        answers, target, weight, reduction=reduction
    )


@dataclass(frozen=True)
class Examples:
    """Examples of a fit: rows of the inputs, the labels and the weights of all N rows."""

    inputs: Rows
    train: Tensor  # rows to fit on
    validation: Tensor  # rows that are held out
    target: Tensor  # [N]
    weight: Tensor | None = None  # [N] in the loss of a step; None for equal ones

    @classmethod
    def whole(
        cls, inputs: Rows, rows: Tensor, target: Tensor, weight: Tensor | None = None
    ) -> Examples:
        """All of these rows to fit on, nothing held out."""
        return cls(inputs, rows, rows[:0], target, weight)


@dataclass(frozen=True)
class FitOptions:
    """How a fit runs, beside its hyperparameters."""

    loss: LossFunction = response
    #: Added to the sum of the loss over all rows of an epoch; None for nothing.
    prior: PriorOfWeights | None = None
    #: Evaluate and leave the mean of the weights over about so many epochs; 0 for the last ones.
    average: float = 0.0
    #: Device and precision; None chooses them by the devices of this machine.
    how: Runtime | None = None
    #: The processes that share the fit.
    group: Group = ONE_PROCESS
    #: Where its checkpoint is; None keeps none.
    slot: Slot | None = None
    #: Evaluate the weights before the first step, too: they may not get better if not fresh.
    look_first: bool = False
    #: By how many standard errors of the difference a look has to be better than those weights to
    #: take their place; 0 for any difference.
    margin: float = 0.0
    #: What is done to the sessions of the rows of a step; None for nothing.
    augmentation: Augmentation | None = None


DEFAULT_OPTIONS = FitOptions()
