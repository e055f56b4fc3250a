"""Fit a deep model: AdamW, early stopping on the validation window, one seed, one order.

Temporal fits peak after very few epochs, so the validation loss is computed several times an
epoch. Each such look also writes a checkpoint, where one is wanted, from which a fit resumes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn

from recommender_training.common.progress import say
from recommender_training.config.training import Hyperparameters
from recommender_training.fitted.bundle import FitLog
from recommender_training.fitted.predict import Rows, predict
from recommender_training.trainer import memory
from recommender_training.trainer.fit_options import DEFAULT_OPTIONS, Examples, FitOptions
from recommender_training.trainer.trainer import Trainer

__all__ = ["Examples", "FitLog", "FitOptions", "Rows", "Trainer", "fit", "fit_for", "predict",
           "seed_everything"]  # fmt: skip

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
    examples: Examples,
    settings: Hyperparameters,
    options: FitOptions = DEFAULT_OPTIONS,
    *,
    watch: Callable[[FitLog], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> FitLog:
    """Fit `model` in place and leave it, on the CPU, with the weights of the best look.

    `watch` is called after each look, and ends the fit by raising. The weights of the rows do not
    count at the looks. Raises InputError `TrainingDiverged` when the loss is not finite.
    """
    trainer = Trainer(model, examples, settings, options)
    log, batches = trainer.log, trainer.batches
    total, every = settings.epochs * batches.per_epoch, _every(batches.per_epoch)
    if options.look_first and not log.looks:
        trainer.look()
    pace = _Pace(clock)
    while batches.taken < total:
        if batches.between_epochs and batches.epochs - log.lowest_epoch >= settings.patience:
            break
        trainer.step()
        if batches.taken % every == 0:
            with pace.paused():
                trainer.look()
                trainer.keep()
            if watch is not None:
                watch(log)
        if batches.between_epochs:
            log.epoch_seconds.append(pace.lap())
            _log_pace(log, len(examples.train))
    trainer.finish(trainer.best)
    return log


def fit_for(
    model: nn.Module,
    examples: Examples,
    settings: Hyperparameters,
    epochs: float,
    options: FitOptions = DEFAULT_OPTIONS,
) -> None:
    """Fit `model` in place for so many epochs, parts of one included, without a look.

    Raises as `fit`.
    """
    trainer = Trainer(model, examples, settings, options)
    total, every = round(epochs * trainer.batches.per_epoch), _every(trainer.batches.per_epoch)
    while trainer.batches.taken < total:
        trainer.step()
        if trainer.batches.taken % every == 0:
            trainer.keep()
    trainer.finish()


class _Pace:
    """Seconds of each epoch, without the looks."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start, self._paused = clock(), 0.0

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time inside the block."""
        start = self._clock()
        yield
        self._paused += self._clock() - start

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = self._clock()
        seconds = now - self._start - self._paused
        self._start, self._paused = now, 0.0
        return seconds


def _every(per_epoch: int) -> int:
    """Batches from one look to the next."""
    return max(1, per_epoch // LOOKS)


def _log_pace(log: FitLog, rows: int) -> None:
    seconds = log.epoch_seconds[-1]
    say(f"train: {rows} rows in {seconds:.2f} s, {rows / max(seconds, 1e-9):,.0f} a second")
