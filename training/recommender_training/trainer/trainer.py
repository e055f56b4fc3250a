"""One fit under way: model and data on their device, the optimizer, the best weights.

Several processes may share it. Each takes its part of every batch; the losses are summed over all
rows of the batch, the gradients over all processes, so that a step is that of one process.
"""

from __future__ import annotations

import contextlib
import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender_contract.resource.hyperparameters import Precision
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.config.training import Hyperparameters
from recommender_training.fitted.bundle import FitLog
from recommender_training.fitted.predict import predict
from recommender_training.trainer import runtime
from recommender_training.trainer.adamw import AdamW
from recommender_training.trainer.averaging import Average
from recommender_training.trainer.batch_sampler import BatchSampler
from recommender_training.trainer.fit_options import DEFAULT_OPTIONS, Examples, FitOptions
from recommender_training.trainer.replica import Replica
from recommender_training.trainer.sparse_optimizer import SparseOptimizer, sparse_tables


class Trainer:
    """A model that is being fitted, and all that has to be kept to resume it."""

    def __init__(
        self,
        model: nn.Module,
        examples: Examples,
        settings: Hyperparameters,
        options: FitOptions = DEFAULT_OPTIONS,
    ) -> None:
        """Resumes from the checkpoint of `options.slot`, where there is one."""
        group = options.group
        how = options.how or runtime.choose_runtime(settings.precision, group)
        self.model, self.how, self.log, self.group = model, how, FitLog(), group
        self._settings, self._slot, self._of = settings, options.slot, options.loss
        self._augmentation = options.augmentation
        self._prior, self._rows = options.prior, len(examples.train)
        self._by_row = sparse_tables(model, settings.embedding_updates)
        self._row_updates = SparseOptimizer(model, self._by_row, group)
        self._replica = Replica(model, how, group)
        self.inputs, self.target = examples.inputs.to(how.device), examples.target.to(how.device)
        self.weight = None if examples.weight is None else examples.weight.to(how.device)
        self.validation = examples.validation.to(how.device)
        self.optimizer = AdamW(model.parameters(), settings.learning_rate, settings.weight_decay)
        self.batches = BatchSampler(examples.train, settings.batch_size, how.device)
        self.best = copy.deepcopy(model.state_dict())
        self._margin, self._first = options.margin, torch.zeros(0, dtype=torch.float64)
        steps = options.average * self.batches.per_epoch
        self._average = Average(model, steps, self._by_row) if steps else None
        self._start_rows()
        self._resume()
        model.train()

    def _start_rows(self) -> None:
        prior, settings = self._prior, self._settings
        pulls = {} if prior is None else prior.pulls(self._by_row, self._rows)
        self._row_updates.start(
            settings.learning_rate, settings.weight_decay, pulls, self._average
        )

    def step(self) -> None:
        """One batch."""
        rows = self.batches.take()
        if len(rows) < 2:  # batch norm needs two rows
            return
        share = self.group.share(len(rows))
        own = rows[self._replica.divide(len(rows))]
        batch, step = self.inputs.take(own), self.batches.taken
        if self._augmentation is not None:
            batch = self._augmentation.apply(batch, share)
        read = self._row_updates.read(batch, step, self._kept, len(rows)) if self._by_row else {}
        with self.how.autocast():
            logits = self._replica.forward(batch, read) if read else self._replica.forward(batch)
        loss = self._loss(logits.float(), own, len(rows))
        if self._prior is not None:
            loss = loss + self._prior(self._by_row) / self._rows
        self.optimizer.drop_gradients()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self._row_updates.step(step)
        if self._average is not None:
            self._average.update(self.batches.taken)

    def _loss(self, logits: Tensor, own: Tensor, rows: int) -> Tensor:
        """Loss of this process. Its mean over the processes is that of the whole batch."""
        weight = None if self.weight is None else self.weight.index_select(0, own)
        target = self.target.index_select(0, own)
        if self.group.alone:
            loss = self._of(logits, target, weight, reduction="mean")
            mean = loss.item()
        else:
            loss = self._of(logits, target, weight, reduction="sum")
            mean = self.group.total(loss.detach().clone()).item() / rows
            loss = loss * (self.group.size / rows)
        if not math.isfinite(mean):
            raise self._diverged(f"the training loss is {mean}, not finite,")
        return loss

    def _diverged(self, what: str) -> InputError:
        per_epoch, taken = self.batches.per_epoch, max(1, self.batches.taken)
        lower = f"lower training.hyperparameters.learningRate ({self._settings.learning_rate})"
        if self.how.precision is Precision.BFLOAT16:
            lower += ", or set training.hyperparameters.precision to Float32"
        return InputError(
            "TrainingDiverged",
            f"{what} in epoch {(taken - 1) // per_epoch + 1}, "
            f"batch {(taken - 1) % per_epoch + 1} of {per_epoch}; the same command ends there "
            f"again: {lower}",
        )

    def look(self) -> None:
        """Evaluate the weights on the validation window; keep them if they are the best so far."""
        self._row_updates.catch_up(self.batches.taken, self._kept)
        with contextlib.nullcontext() if self._average is None else self._average.applied():
            self._look()

    @property
    def _kept(self) -> float:
        return 0.0 if self._average is None else self._average.kept

    def _look(self) -> None:
        epoch = self.batches.epochs
        own = self.validation[self.group.share(len(self.validation)).own]
        logits = self.group.join(predict(self.model, self.inputs, own), len(self.validation))
        self.model.train()
        label = self.target[self.validation].double().cpu()
        loss = float(self._of(logits, label, reduction="mean"))
        if len(label) and not math.isfinite(loss):
            raise self._diverged(f"the validation loss is {loss}, not finite,")
        self.log.looks.append((round(epoch, 3), loss))
        say(f"train: epoch {epoch:.1f} validation log loss {loss:.4f}")
        if loss < self.log.best_loss and self._beyond_chance(logits, label):
            self.log.best_epoch, self.log.best_loss = epoch, loss
            self.best = copy.deepcopy(self.model.state_dict())

    def _beyond_chance(self, logits: Tensor, label: Tensor) -> bool:
        """True if these answers are better than the first ones by the margin, if these lead.

        A look of a few dozen positives would else take what chance alone makes better.
        """
        if not self._margin or self.log.best_epoch > 0:
            return True
        losses = functional.binary_cross_entropy_with_logits(logits, label, reduction="none")
        if not len(self._first):
            self._first = losses
            return True
        gain = self._first - losses
        error = gain.std() / math.sqrt(len(gain))
        return bool(gain.mean() > self._margin * error)

    def keep(self) -> None:
        """Write a checkpoint, where one is wanted: the first process alone does."""
        if self._slot is None or not self.group.first:
            return
        self._slot.save(
            {
                "batches": self.batches.state(),
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state(),
                "best": self.best,
                "average": None if self._average is None else self._average.state(),
                "rows": self._row_updates.state(),
                "log": vars(self.log),
                "first": self._first,
                "generators": _generators(self.how.device),
            }
        )

    def _resume(self) -> None:
        """All processes resume from what the first one read, or none does."""
        found = self._slot.load() if self._slot is not None and self.group.first else None
        state = self.group.from_first(found)
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.restore(state["optimizer"])
        self.best, self._first = state["best"], state["first"]
        if self._average is not None:
            self._average.restore(state["average"])
        self._row_updates.load(state["rows"])
        log = dict(state["log"])
        self.log = FitLog(**{**log, "looks": [(at, loss) for at, loss in log["looks"]]})
        self.batches.restore(state["batches"])
        _restore(state["generators"], self.how.device)
        say(f"train: resuming from epoch {self.batches.epochs:.2f} of a checkpoint")

    def finish(self, weights: dict[str, Any] | None = None) -> None:
        """Leave the model on the CPU, whole in this process, with these weights.

        Without `weights` they are the mean ones where these are kept, else the last. Raises
        InputError `TrainingDiverged` where they are not finite: the last step was no part of any
        loss.
        """
        self._row_updates.catch_up(self.batches.taken, self._kept)
        if weights is None and self._average is not None:
            weights = self._average.weights
        if weights is not None:
            self.model.load_state_dict(weights)
        self._replica.restore()
        self._row_updates.restore()
        self.model.to("cpu").eval()
        for name, weight in self.model.named_parameters():
            if not bool(torch.isfinite(weight).all()):
                raise self._diverged(f"the weights {name} are not finite")


def _generators(device: torch.device) -> list[Tensor]:
    """The states of the random generators that a fit draws from."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def _restore(states: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
