"""Fit the two towers, which order lists beside the response."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import Retrieval
from recommender_training.common.arrays import Ints
from recommender_training.common.progress import say
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.data.id_rows import IdRows
from recommender_training.features import attributes
from recommender_training.features.event_features import Source
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models import two_tower
from recommender_training.models.tower_examples import newest, tower_examples, training_and_held
from recommender_training.trainer import fit, id_tables
from recommender_training.trainer.augmentation import Augmentation
from recommender_training.trainer.checkpoints import Slot

#: Scores of the validation window that stops the fit, a liked item against the catalogue each, and
#: liked items at least: with many items fewer pairs tell as much, in a bounded time.
MAX_HELD_SCORES, LEAST_HELD = 100_000_000, 2_000
#: Step size, batch and epochs of the towers; the hyperparameters are those of the ranker.
_SETTINGS = {"learning_rate": 0.01, "batch_size": 512, "epochs": 20, "patience": 2}


def fit_towers(
    data: Dataset,
    train: Ints,
    held: Ints,
    inputs: Source,
    config: TrainingConfig,
    slot: Slot | None = None,
) -> RetrievalModels:
    """Fit the towers, if the settings want them, on the rows `train`; stop by the rows `held`."""
    plan = config.hyperparameters.list_plan(data.items.count)
    models = RetrievalModels.of(plan, data.label)
    if config.hyperparameters.retrieval is Retrieval.WEIGHTS:
        return models
    train, held = newest(data.events, train), held_pairs(data, held)
    table = id_tables.of_items(data, train, config.hyperparameters)
    every, fitted, held_out = training_and_held(inputs, data.events, train, held)
    towers = _create(data, config.hyperparameters, every.target[fitted], table, _last(data, train))
    say(f"train: two towers, {towers.size.loss.value}, {len(fitted)} pairs")
    examples = fit.Examples(every, fitted, held_out, torch.zeros(len(every)))
    augmentation = Augmentation.of(config.hyperparameters)
    options = fit.FitOptions(loss=_own, slot=slot, augmentation=augmentation)
    log = fit.fit(towers, examples, _settings(config), options)
    hide_unseen(towers, data.events.item[train])
    return replace(models, towers=towers, epochs=log.best_epoch, loss=log.best_loss)


def held_pairs(data: Dataset, held: Ints) -> Ints:
    """Of the rows `held` those that stop the fit: all, or as many liked ones as are affordable."""
    most = max(LEAST_HELD, MAX_HELD_SCORES // max(1, data.items.count))
    liked = held[data.events.label[held]]
    if len(liked) <= most:
        return held
    return np.sort(np.random.default_rng(0).choice(liked, most, replace=False))


def refit_towers(
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
    table = id_tables.of_items(data, rows, config.hyperparameters)
    every = tower_examples(inputs, data.events, rows)
    towers = _create(data, config.hyperparameters, every.target, table, _last(data, rows))
    order = torch.arange(len(every))
    examples = fit.Examples.whole(every, order, torch.zeros(len(every)))
    augmentation = Augmentation.of(config.hyperparameters)
    options = fit.FitOptions(loss=_own, slot=slot, augmentation=augmentation)
    fit.fit_for(towers, examples, _settings(config), sources.epochs, options)
    hide_unseen(towers, data.events.item[rows])
    return replace(sources, towers=towers)


def _last(data: Dataset, rows: Ints) -> int:
    """The time of the newest of these rows."""
    return int(data.events.time[rows].max(initial=0))


def _create(
    data: Dataset, settings: Hyperparameters, target: Tensor, table: IdRows, items_at: int
) -> two_tower.TwoTower:
    size = two_tower.TowerSize(
        side=attributes.sizes(data),
        spans=attributes.spans(data),
        width=settings.embedding_dim,
        history_length=settings.history_length,
        dropout=settings.dropout,
        loss=settings.retrieval_loss,
        items_at=items_at,
    )
    return two_tower.create_towers(data, target.numpy() - 1, size, table)


def _settings(config: TrainingConfig) -> Hyperparameters:
    return config.hyperparameters.model_copy(update=_SETTINGS)


def _own(
    losses: Tensor, _target: Tensor, _weight: Tensor | None = None, /, *, reduction: str
) -> Tensor:
    """The towers answer a loss of each pair."""
    return losses.sum() if reduction == "sum" else losses.mean()


def hide_unseen(towers: two_tower.TwoTower, items: Ints) -> None:
    """Give items without an event the unknown one's vector, in place; their content stays."""
    with torch.no_grad():
        weights = towers.item.weight
        unseen = torch.ones(weights.shape[0], dtype=torch.bool)
        unseen[towers.item_rows(torch.from_numpy(np.unique(items)) + 1)] = False
        weights[unseen] = weights[0].clone()
