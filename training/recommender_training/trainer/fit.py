"""Fit a deep model: AdamW, early stopping on the validation window, one seed, one order.

Temporal fits peak after very few epochs, so validation is looked at several times an epoch. At
each look a checkpoint is written, where one is wanted, and a fit goes on from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from recommender_training.common.progress import say
from recommender_training.config.training import Hyperparameters
from recommender_training.distributed.group import ONE_PROCESS, Group
from recommender_training.trainer import memory, runtime
from recommender_training.trainer.checkpoints import Slot
from recommender_training.trainer.runtime import Runtime
from recommender_training.trainer.trainer import (
    FitLog,
    LossFunction,
    Rows,
    Trainer,
    predict,
    response,
)

__all__ = ["FitLog", "Rows", "Trainer", "fit", "fit_for", "predict", "seed_everything"]

#: Looks at the validation window in an epoch.
LOOKS = 2


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


def fit(
    model: nn.Module,
    inputs: Rows,
    train: Tensor,
    validation: Tensor,
    settings: Hyperparameters,
    target: Tensor,
    watch: Callable[[FitLog], None] | None = None,
    *,
    weight: Tensor | None = None,
    loss: LossFunction = response,
    look_first: bool = False,
    how: Runtime | None = None,
    clock: Callable[[], float] = time.perf_counter,
    group: Group = ONE_PROCESS,
    slot: Slot | None = None,
) -> FitLog:
    """Fit `model` in place and leave it, on the CPU, with the weights of the best look.

    `watch` is called after each look, and ends the fit by raising.

    `target` [N] are the labels of all rows, `weight` [N] what each counts in the `loss` (all alike
    if absent, and at the looks). `look_first` judges the weights before the first step, too: they
    may be as good as they get where they are not fresh. `how` is chosen by the devices there are.
    `group` are the processes that share the fit, `slot` where it is kept. Raises InputError
    `TrainingDiverged` when the loss is not finite.
    """
    how = how or runtime.choose(settings.precision, group)
    fitted = Trainer(
        model, inputs, train, validation, target, settings, how, group, slot, weight, loss
    )
    log, batches = fitted.log, fitted.batches
    total, every = settings.epochs * batches.per_epoch, _every(batches.per_epoch)
    if look_first and not log.looks:
        fitted.look()
    began, looking = clock(), 0.0
    while batches.taken < total:
        if batches.between_epochs and batches.epochs - log.best_epoch >= settings.patience:
            break
        fitted.step()
        if batches.taken % every == 0:
            paused = clock()
            fitted.look()
            fitted.keep()
            looking += clock() - paused
            if watch is not None:
                watch(log)
        if batches.between_epochs:
            now = clock()
            log.epoch_seconds.append(now - began - looking)
            _tell_pace(log, len(train))
            began, looking = now, 0.0
    fitted.finish(fitted.best)
    return log


def fit_for(
    model: nn.Module,
    inputs: Rows,
    rows: Tensor,
    settings: Hyperparameters,
    target: Tensor,
    epochs: float,
    *,
    weight: Tensor | None = None,
    loss: LossFunction = response,
    group: Group = ONE_PROCESS,
    slot: Slot | None = None,
) -> None:
    """Fit `model` in place for so many epochs of `rows`, parts of one included; nothing is held
    out. `weight`, `loss`, `group`, `slot` and what is raised as in `fit`.
    """
    how = runtime.choose(settings.precision, group)
    fitted = Trainer(
        model, inputs, rows, rows[:0], target, settings, how, group, slot, weight, loss
    )
    total, every = round(epochs * fitted.batches.per_epoch), _every(fitted.batches.per_epoch)
    while fitted.batches.taken < total:
        fitted.step()
        if fitted.batches.taken % every == 0:
            fitted.keep()
    fitted.finish()


def _every(per_epoch: int) -> int:
    """Batches from one look to the next."""
    return max(1, per_epoch // LOOKS)


def _tell_pace(log: FitLog, rows: int) -> None:
    seconds = log.epoch_seconds[-1]
    say(f"train: {rows} rows in {seconds:.2f} s, {rows / max(seconds, 1e-9):,.0f} a second")
