"""Fit the deep ranker: AdamW, early stopping on the validation window, one seed, one order.

Temporal fits peak after very few epochs, so validation is looked at several times an epoch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from recommender_training.config import Hyperparameters
from recommender_training.errors import InputError
from recommender_training.features.table import Inputs
from recommender_training.models.ranker import Ranker
from recommender_training.progress import say

#: Looks at the validation window in an epoch.
LOOKS = 2
_EVALUATION_BATCH = 8192


@dataclass
class FitLog:
    """Validation loss at each look (in epochs), and the best one."""

    looks: list[tuple[float, float]] = field(default_factory=list)
    best_epoch: float = 0.0
    best_loss: float = math.inf


def seed_everything(seed: int, threads: int) -> None:
    """Make a run repeatable: the same seed, data and threads give the same weights."""
    torch.set_num_threads(threads)
    # The same switch as `use_deterministic_algorithms`, which imports the compiler too: 3 s.
    torch.set_deterministic_debug_mode("error")
    torch.manual_seed(seed)


def predict(model: Ranker, inputs: Inputs, rows: Tensor) -> Tensor:
    """[rows] logits in evaluation mode, in double precision for the metrics."""
    model.eval()
    with torch.inference_mode():
        parts = [model(inputs.take(part)) for part in torch.split(rows, _EVALUATION_BATCH)]
    return torch.cat(parts).double()


def fit(
    model: Ranker,
    inputs: Inputs,
    train: Tensor,
    validation: Tensor,
    settings: Hyperparameters,
    target: Tensor,
    watch: Callable[[FitLog], None] | None = None,
) -> FitLog:
    """Fit `model` in place and leave it with the weights of the best look.

    `target` [N] are the labels of all rows. `watch` is called after each look, and ends the fit
    by raising. Raises InputError `TrainingDiverged` when the loss
    is not finite.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    log, best = FitLog(), copy.deepcopy(model.state_dict())
    step, per_epoch = 0, max(1, math.ceil(len(train) / settings.batch_size))
    every = max(1, per_epoch // LOOKS)
    for _ in range(settings.epochs):
        order = train[torch.randperm(len(train))]
        for rows in torch.split(order, settings.batch_size):
            model.train()
            step += 1
            if len(rows) < 2:  # batch norm needs two rows
                continue
            _step(model, optimizer, inputs.take(rows), target[rows])
            if step % every == 0:
                if _look(model, inputs, validation, target, step, per_epoch, log):
                    best = copy.deepcopy(model.state_dict())
                if watch is not None:
                    watch(log)
        if step / per_epoch - log.best_epoch >= settings.patience:
            break
    model.load_state_dict(best)
    model.eval()
    return log


def fit_for(
    model: Ranker,
    inputs: Inputs,
    rows: Tensor,
    settings: Hyperparameters,
    target: Tensor,
    epochs: float,
) -> None:
    """Fit `model` in place for so many epochs of `rows`, parts of one included; nothing is held
    out. Raises as `fit`.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    left = round(epochs * math.ceil(len(rows) / settings.batch_size))
    model.train()
    while left > 0:
        order = rows[torch.randperm(len(rows))]
        for batch in torch.split(order, settings.batch_size)[:left]:
            left -= 1
            if len(batch) >= 2:  # batch norm needs two rows
                _step(model, optimizer, inputs.take(batch), target[batch])
    model.eval()


def _step(model: Ranker, optimizer: torch.optim.Optimizer, batch: Inputs, target: Tensor) -> None:
    loss = functional.binary_cross_entropy_with_logits(model(batch), target)
    if not torch.isfinite(loss):
        raise InputError(
            "TrainingDiverged",
            "the training loss is not finite; lower training.hyperparameters.learningRate",
        )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _look(
    model: Ranker,
    inputs: Inputs,
    rows: Tensor,
    target: Tensor,
    step: int,
    per_epoch: int,
    log: FitLog,
) -> bool:
    logits = predict(model, inputs, rows)
    loss = float(functional.binary_cross_entropy_with_logits(logits, target[rows].double()))
    epoch = step / per_epoch
    log.looks.append((round(epoch, 3), loss))
    say(f"train: epoch {epoch:.1f} validation log loss {loss:.4f}")
    if not loss < log.best_loss:
        return False
    log.best_epoch, log.best_loss = epoch, loss
    return True
