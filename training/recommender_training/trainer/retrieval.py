"""What orders a list beside the response: item-to-item weights, two towers, or both."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recommender_training.common.arrays import Floats, Ints
from recommender_training.common.progress import say
from recommender_training.config.training import Hyperparameters, Retrieval, TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.features import attributes
from recommender_training.features.assembly import Inputs
from recommender_training.features.table import Source
from recommender_training.models import two_tower
from recommender_training.models.pairs import newest, pairs, training_and_held
from recommender_training.trainer import fit
from recommender_training.trainer.checkpoints import Slot

#: The lift of the towers counts so much: beside the item-to-item weights, and instead of them,
#: where popularity counts as much as the lift. Chosen by rolling origin (ADR 0013).
BESIDE_WEIGHTS, WITHOUT_WEIGHTS = 4.0, 4.0
#: Step size, batch and epochs of the towers; the hyperparameters are those of the ranker.
_SETTINGS = {"learning_rate": 0.01, "batch_size": 512, "epochs": 20, "patience": 2}


@dataclass(frozen=True)
class RetrievalModels:
    """What a list is ordered by. `towers` are absent where they are not asked for."""

    weights: bool = True
    towers: two_tower.TwoTower | None = None
    #: Epochs and validation loss of the towers at their best.
    epochs: float = 0.0
    loss: float = 0.0

    @property
    def lift_weight(self) -> float:
        """What the lift of the towers is multiplied by."""
        return BESIDE_WEIGHTS if self.weights else WITHOUT_WEIGHTS

    @property
    def popularity_weight(self) -> float:
        """What log popularity is multiplied by."""
        return 1.0 if self.weights else WITHOUT_WEIGHTS

    def facts(self, orders: Retrieval) -> dict[str, object]:
        """What the report says of it: `epochs` and `validationLoss` are those of the towers."""
        if self.towers is None:
            return {"orders": orders.value}
        told = {"loss": self.towers.size.loss.value, "epochs": round(self.epochs, 3)}
        if math.isfinite(self.loss):  # a window without a liked item has none
            told["validationLoss"] = round(self.loss, 6)
        return {"orders": orders.value, **told}

    def lift(self, inputs: Inputs) -> Floats:
        """[B, I] weighted lift of every item for each row of the inputs; needs towers."""
        assert self.towers is not None
        with torch.inference_mode():
            lifted = self.towers.eval().lift(inputs)
        return np.asarray(lifted.numpy() * self.lift_weight, dtype=np.float32)


def fit_retrieval(
    data: Dataset,
    train: Ints,
    held: Ints,
    inputs: Source,
    config: TrainingConfig,
    slot: Slot | None = None,
) -> RetrievalModels:
    """Fit the towers, if asked for, on the rows `train`, stopped by the rows that are held out."""
    wanted = config.hyperparameters.retrieval
    if wanted is Retrieval.WEIGHTS:
        return RetrievalModels()
    train = newest(data.events, train)
    every, fitted, judged = training_and_held(inputs, data.events, train, held)
    towers = _create(data, config.hyperparameters, every.target[fitted])
    say(f"train: two towers, {towers.size.loss.value}, {len(fitted)} pairs")
    log = fit.fit(towers, every, fitted, judged, _settings(config), torch.zeros(len(every)),
                  loss=_own, slot=slot)  # fmt: skip
    _hide_unseen(towers, data.events.item[train])
    return RetrievalModels(wanted is Retrieval.BOTH, towers, log.best_epoch, log.best_loss)


def refit_retrieval(
    sources: RetrievalModels,
    data: Dataset,
    rows: Ints,
    inputs: Source,
    config: TrainingConfig,
    slot: Slot | None = None,
) -> RetrievalModels:
    """The towers fitted again on `rows`, for the epochs that `fit_retrieval` found."""
    if sources.towers is None:
        return sources
    rows = newest(data.events, rows)
    every = pairs(inputs, data.events, rows)
    towers = _create(data, config.hyperparameters, every.target)
    order = torch.arange(len(every))
    fit.fit_for(towers, every, order, _settings(config), torch.zeros(len(every)), sources.epochs,
                loss=_own, slot=slot)  # fmt: skip
    _hide_unseen(towers, data.events.item[rows])
    return replace(sources, towers=towers)


def _create(data: Dataset, settings: Hyperparameters, target: Tensor) -> two_tower.TwoTower:
    size = two_tower.TowerSize(
        side=attributes.sizes(data.users),
        width=settings.embedding_dim,
        history_length=settings.history_length,
        dropout=settings.dropout,
        loss=settings.retrieval_loss,
    )
    return two_tower.create(data, target.numpy() - 1, size)


def _settings(config: TrainingConfig) -> Hyperparameters:
    return config.hyperparameters.model_copy(update=_SETTINGS)


def _own(
    losses: Tensor, _target: Tensor, _weight: Tensor | None = None, /, *, reduction: str
) -> Tensor:
    """The towers answer a loss of each pair."""
    return losses.sum() if reduction == "sum" else losses.mean()


def _hide_unseen(towers: two_tower.TwoTower, items: Ints) -> None:
    """Give items without an event the unknown one's vector, in place; genres and year stay."""
    with torch.no_grad():
        weights = towers.item.weight
        unseen = torch.ones(weights.shape[0], dtype=torch.bool)
        unseen[torch.from_numpy(np.unique(items)) + 1] = False
        weights[unseen] = weights[0].clone()
