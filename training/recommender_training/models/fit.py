"""Fit a deep model: AdamW, early stopping on the validation window, one seed, one order.

Temporal fits peak after very few epochs, so validation is looked at several times an epoch.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender_training.config import Hyperparameters
from recommender_training.errors import InputError
from recommender_training.models import memory, runtime
from recommender_training.models.runtime import Runtime
from recommender_training.progress import say

#: Looks at the validation window in an epoch.
LOOKS = 2
_EVALUATION_BATCH = 8192


class Rows(Protocol):
    """Inputs of a model, one row an event."""

    def take(self, rows: Tensor) -> Self:
        """The rows of a batch."""
        ...

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        ...


#: One number from what the model answers of a batch and the targets of its rows.
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass
class FitLog:
    """Validation loss at each look (in epochs), the best one, and the pace of the training."""

    looks: list[tuple[float, float]] = field(default_factory=list)
    best_epoch: float = 0.0
    best_loss: float = math.inf
    #: Of the training steps of each epoch, without the looks. Never part of an artifact.
    epoch_seconds: list[float] = field(default_factory=list)


def seed_everything(seed: int, threads: int) -> None:
    """Make a run repeatable, and quick: the same seed, data and threads give the same weights."""
    torch.set_num_threads(threads)
    memory.keep_freed()
    # The same switch as `use_deterministic_algorithms`, which imports the compiler too: 3 s.
    torch.set_deterministic_debug_mode("error")
    # Filling each new tensor with NaN finds programs that read what they never wrote, and makes
    # none repeatable; no operation here reads such memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.manual_seed(seed)


def predict(model: nn.Module, inputs: Rows, rows: Tensor) -> Tensor:
    """[rows] logits in evaluation mode and single precision, as doubles for the metrics.

    Model, inputs and rows are on one device; the logits are on the CPU.
    """
    model.eval()
    with torch.inference_mode():
        parts = [model(inputs.take(part)) for part in torch.split(rows, _EVALUATION_BATCH)]
    return torch.cat(parts).double().cpu()


def fit(
    model: nn.Module,
    inputs: Rows,
    train: Tensor,
    validation: Tensor,
    settings: Hyperparameters,
    target: Tensor,
    watch: Callable[[FitLog], None] | None = None,
    *,
    loss: Loss = functional.binary_cross_entropy_with_logits,
    look_first: bool = False,
    how: Runtime | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> FitLog:
    """Fit `model` in place and leave it, on the CPU, with the weights of the best look.

    `watch` is called after each look, and ends the fit by raising.

    `target` [N] are the labels of all rows; `loss` makes one number of answers and targets.
    `look_first` judges the weights before the first step, too. `how` is chosen by the devices
    there are. Raises InputError `TrainingDiverged` when the loss is not finite.
    """
    how = how or runtime.choose(settings.precision)
    fitted = _Fit(model, inputs, validation, target, settings, how, loss)
    log, per_epoch = fitted.log, max(1, math.ceil(len(train) / settings.batch_size))
    step, every = 0, max(1, per_epoch // LOOKS)
    if look_first:  # the weights may be as good as they get, where they are not fresh
        fitted.look(0.0)
    for _ in range(settings.epochs):
        began, looking = clock(), 0.0
        order = train[torch.randperm(len(train))].to(how.device)
        for rows in torch.split(order, settings.batch_size):
            step += 1
            if len(rows) < 2:  # batch norm needs two rows
                continue
            fitted.step(rows)
            if step % every == 0:
                paused = clock()
                fitted.look(step / per_epoch)
                looking += clock() - paused
                if watch is not None:
                    watch(log)
        log.epoch_seconds.append(clock() - began - looking)
        _tell_pace(log, len(train))
        if step / per_epoch - log.best_epoch >= settings.patience:
            break
    fitted.finish()
    return log


def fit_for(
    model: nn.Module,
    inputs: Rows,
    rows: Tensor,
    settings: Hyperparameters,
    target: Tensor,
    epochs: float,
    loss: Loss = functional.binary_cross_entropy_with_logits,
) -> None:
    """Fit `model` in place for so many epochs of `rows`, parts of one included; nothing is held
    out. Raises as `fit`.
    """
    how = runtime.choose(settings.precision)
    fitted = _Fit(model, inputs, rows[:0], target, settings, how, loss)
    left = round(epochs * math.ceil(len(rows) / settings.batch_size))
    while left > 0:
        order = rows[torch.randperm(len(rows))].to(how.device)
        for batch in torch.split(order, settings.batch_size)[:left]:
            left -= 1
            if len(batch) >= 2:  # batch norm needs two rows
                fitted.step(batch)
    model.to("cpu").eval()


class _Fit:
    """One fit under way: model and data on their device, the optimizer, the best weights."""

    def __init__(
        self,
        model: nn.Module,
        inputs: Rows,
        validation: Tensor,
        target: Tensor,
        settings: Hyperparameters,
        how: Runtime,
        loss: Loss,
    ) -> None:
        self.model, self.how, self.log, self.loss = model, how, FitLog(), loss
        self.forward = how.prepare(model)
        self.inputs, self.target = inputs.to(how.device), target.to(how.device)
        self.validation = validation.to(how.device)
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.best = copy.deepcopy(model.state_dict())
        model.train()

    def step(self, rows: Tensor) -> None:
        """One batch."""
        with self.how.autocast():
            logits = self.forward(self.inputs.take(rows))
        loss = self.loss(logits.float(), self.target[rows])
        if not math.isfinite(loss.item()):
            raise InputError(
                "TrainingDiverged",
                "the training loss is not finite; lower training.hyperparameters.learningRate",
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()

    def look(self, epoch: float) -> None:
        """Judge the weights on the validation window, and keep them if they are the best yet."""
        logits = predict(self.model, self.inputs, self.validation)
        self.model.train()
        label = self.target[self.validation].double().cpu()
        loss = float(self.loss(logits, label))
        self.log.looks.append((round(epoch, 3), loss))
        say(f"train: epoch {epoch:.1f} validation log loss {loss:.4f}")
        if loss < self.log.best_loss:
            self.log.best_epoch, self.log.best_loss = epoch, loss
            self.best = copy.deepcopy(self.model.state_dict())

    def finish(self) -> None:
        """Leave the model on the CPU with its best weights."""
        self.model.load_state_dict(self.best)
        self.model.to("cpu").eval()


def _tell_pace(log: FitLog, rows: int) -> None:
    seconds = log.epoch_seconds[-1]
    say(f"train: {rows} rows in {seconds:.2f} s, {rows / max(seconds, 1e-9):,.0f} a second")
