"""One fit under way: model and data on their device, the optimizer, the best weights.

Several processes may share it. Each takes its part of every batch; the losses are summed over all
rows of the batch, the gradients over all processes, so that a step is that of one process.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.config.training import Hyperparameters, Precision
from recommender_training.distributed.group import ONE_PROCESS, Group
from recommender_training.trainer.batches import Batches
from recommender_training.trainer.checkpoints import Slot
from recommender_training.trainer.replica import Replica
from recommender_training.trainer.runtime import Runtime

_EVALUATION_BATCH = 8192


class LossFunction(Protocol):
    """One number from what the model answers of a batch, the targets and weights of its rows."""

    def __call__(
        self, answers: Tensor, target: Tensor, weight: Tensor | None = None, /, *, reduction: str
    ) -> Tensor:
        """Their sum where `reduction` is so, else their mean."""
        ...


class Rows(Protocol):
    """Inputs of a model, one row an event: kept, or computed when they are asked for."""

    def take(self, rows: Tensor) -> Any:
        """The rows of a batch, as the model takes them."""
        ...

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        ...


@dataclass
class FitLog:
    """Validation loss at each look (in epochs), the best one, and the pace of the training."""

    looks: list[tuple[float, float]] = field(default_factory=list)
    best_epoch: float = 0.0
    best_loss: float = math.inf
    #: Of the training steps of each epoch, without the looks. Never part of an artifact.
    epoch_seconds: list[float] = field(default_factory=list)


def response(
    answers: Tensor, target: Tensor, weight: Tensor | None = None, /, *, reduction: str
) -> Tensor:
    """The loss of logits of a response."""
    return functional.binary_cross_entropy_with_logits(
        answers, target, weight, reduction=reduction
    )


def predict(model: nn.Module, inputs: Rows, rows: Tensor) -> Tensor:
    """[rows] logits in evaluation mode and single precision, as doubles for the metrics.

    Model, inputs and rows are on one device; the logits are on the CPU.
    """
    model.eval()
    if len(rows) == 0:
        return torch.zeros(0, dtype=torch.float64)
    with torch.inference_mode():
        parts = [model(inputs.take(part)) for part in torch.split(rows, _EVALUATION_BATCH)]
    return torch.cat(parts).double().cpu()


class Trainer:
    """A model that is being fitted, and all that has to be kept to go on with it."""

    def __init__(
        self,
        model: nn.Module,
        inputs: Rows,
        train: Tensor,
        validation: Tensor,
        target: Tensor,
        settings: Hyperparameters,
        how: Runtime,
        group: Group = ONE_PROCESS,
        slot: Slot | None = None,
        weight: Tensor | None = None,
        loss: LossFunction = response,
    ) -> None:
        """`train` and `validation` are rows of `inputs`; `target` [N] are the labels of all,
        `weight` [N] what each counts in the `loss`.

        Goes on from the checkpoint of `slot`, where there is one.
        """
        self.model, self.how, self.log, self.group = model, how, FitLog(), group
        self._settings, self._slot, self._of = settings, slot, loss
        self._replica = Replica(model, how, group)
        self.inputs, self.target = inputs.to(how.device), target.to(how.device)
        self.weight = None if weight is None else weight.to(how.device)
        self.validation = validation.to(how.device)
        self._weights = list(model.parameters())
        self.optimizer = torch.optim.AdamW(
            self._weights,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.batches = Batches(train, settings.batch_size, how.device)
        self.best = copy.deepcopy(model.state_dict())
        self._resume()
        model.train()

    def step(self) -> None:
        """One batch."""
        rows = self.batches.take()
        if len(rows) < 2:  # batch norm needs two rows
            return
        own = rows[self._replica.divide(len(rows))]
        with self.how.autocast():
            logits = self._replica.forward(self.inputs.take(own))
        loss = self._loss(logits.float(), own, len(rows))
        for weights in self._weights:  # the optimizer's own way takes longer than some layers
            weights.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()

    def _loss(self, logits: Tensor, own: Tensor, rows: int) -> Tensor:
        """What this process minimises. Its mean over the processes is that of the whole batch."""
        weight = None if self.weight is None else self.weight.index_select(0, own)
        target = self.target.index_select(0, own)
        if self.group.alone:
            loss = self._of(logits, target, weight, reduction="mean")
            told = loss.item()
        else:
            loss = self._of(logits, target, weight, reduction="sum")
            told = self.group.total(loss.detach().clone()).item() / rows
            loss = loss * (self.group.size / rows)
        if not math.isfinite(told):
            raise self._diverged(f"the training loss is {told}, not finite,")
        return loss

    def _diverged(self, what: str) -> InputError:
        per_epoch, taken = self.batches.per_epoch, max(1, self.batches.taken)
        lower = f"lower training.hyperparameters.learningRate ({self._settings.learning_rate})"
        if self._settings.precision is Precision.BFLOAT16:
            lower += ", or set training.hyperparameters.precision to Float32"
        return InputError(
            "TrainingDiverged",
            f"{what} in epoch {(taken - 1) // per_epoch + 1}, "
            f"batch {(taken - 1) % per_epoch + 1} of {per_epoch}; the same command ends there "
            f"again: {lower}",
        )

    def look(self) -> None:
        """Judge the weights on the validation window, and keep them if they are the best yet."""
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
        if loss < self.log.best_loss:
            self.log.best_epoch, self.log.best_loss = epoch, loss
            self.best = copy.deepcopy(self.model.state_dict())

    def keep(self) -> None:
        """Write a checkpoint, where one is wanted: the first process alone does."""
        if self._slot is None or not self.group.first:
            return
        self._slot.save(
            {
                "batches": self.batches.state(),
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "best": self.best,
                "log": vars(self.log),
                "generators": _generators(self.how.device),
            }
        )

    def _resume(self) -> None:
        """All processes go on from what the first one read, or none does."""
        found = self._slot.load() if self._slot is not None and self.group.first else None
        state = self.group.from_first(found)
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best = state["best"]
        log = dict(state["log"])
        self.log = FitLog(**{**log, "looks": [(at, loss) for at, loss in log["looks"]]})
        self.batches.restore(state["batches"])
        _restore(state["generators"], self.how.device)
        say(f"train: going on from epoch {self.batches.epochs:.2f} of a checkpoint")

    def finish(self, weights: dict[str, Any] | None = None) -> None:
        """Leave the model on the CPU, whole in this process, with these weights if any.

        Raises InputError `TrainingDiverged` where they are not finite: the last step was no
        part of any loss.
        """
        if weights is not None:
            self.model.load_state_dict(weights)
        self._replica.restore()
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
