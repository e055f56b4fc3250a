"""The deep ranker fitted: on the training window, and again as it is to serve."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from recommender_contract.resource.training_settings import Fault
from recommender_training.common.arrays import Bools, Floats, Ints
from recommender_training.common.progress import say
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.features import attributes, overlap_features
from recommender_training.features.prepared_data import PreparedData, held_out
from recommender_training.models import ranker
from recommender_training.models.ranker import RankerSize
from recommender_training.trainer import fit, id_tables, regression_start
from recommender_training.trainer.augmentation import Augmentation
from recommender_training.trainer.fit_context import DEFAULT_CONTEXT, FitContext
from recommender_training.trainer.initial_weights import NEW_ROWS_STEP, WarmStart
from recommender_training.trainer.prior import Prior
from recommender_training.trainer.training_rows import (
    base_rate,
    training_labels,
    training_weights,
)

#: Epochs over which the weights of a ranker are averaged (ADR 0031).
AVERAGED_EPOCHS = 0.5
#: Standard errors by which the validation loss has to fall below that of the regression that a fit
#: starts from (ADR 0095).
START_MARGIN = 2.0

Watch = Callable[[fit.FitLog], None]


def fit_deep(
    prepared: PreparedData,
    config: TrainingConfig,
    threads: int,
    watch: Watch | None = None,
    context: FitContext = DEFAULT_CONTEXT,
) -> tuple[ranker.Ranker, fit.FitLog]:
    """Fit the deep ranker alone, with the weights that `fit_models` gives it.

    `watch` is called after each look at the validation window, and ends the fit by raising.
    """
    fit.seed_everything(config.seed, threads)
    labels = training_labels(prepared.data, prepared.split, config)
    return fit_ranker(prepared, config, labels, watch, context)


def fit_ranker(
    prepared: PreparedData,
    config: TrainingConfig,
    labels: Bools,
    watch: Watch | None,
    context: FitContext,
) -> tuple[ranker.Ranker, fit.FitLog]:
    """The same on these labels [N], with the random generators as they are."""
    data, start = prepared.data, context.start
    rows, settings = _to_fit(data, prepared.split.train, config.hyperparameters, start)
    train = torch.from_numpy(rows)
    model = new_ranker(prepared, config)
    weights = training_weights(data, prepared.split.train, labels, config)
    share = base_rate(labels, prepared.split.train, weights)
    model.start_at(share)
    prior = _begin(model, prepared, rows, labels, weights, start)
    say(f"train: deep ranker, {sum(p.numel() for p in model.parameters())} weights")
    validation = torch.from_numpy(held_out(prepared.split))
    target = torch.from_numpy(labels.astype(np.float32))
    weight = _tensor(weights)
    options = fit.FitOptions(
        group=context.group,
        slot=context.slot("first"),
        look_first=bool(prior.centre),
        margin=START_MARGIN if start is None and prior.centre else 0.0,
        prior=prior,
        average=AVERAGED_EPOCHS,
        augmentation=Augmentation.of(config.hyperparameters),
    )
    examples = fit.Examples(prepared.inputs, train, validation, target, weight)
    log = fit.fit(model, examples, settings, options, watch=watch)
    hide_unseen(model, data, prepared.split.train, start)
    if config.fault is Fault.LEARNED_NOTHING:
        reset_to_base_rate(model, share)
    return model, log


def _begin(
    model: ranker.Ranker,
    prepared: PreparedData,
    rows: Ints,
    labels: Bools,
    weights: Floats | None,
    start: WarmStart | None,
) -> Prior:
    """Give a fresh model the weights that a fit on `rows` starts from; the prior is about them.

    The champion's, or with rare positives those of a regression (`regression_start`). Whether
    they are rare is the same in a fit to the training window alone and in the one that serves.
    """
    if start is not None:
        start.apply(model, prepared.data)
        return Prior.of(model)
    if not regression_start.wanted(labels[prepared.split.train]):
        return Prior(model)
    centre = regression_start.apply(
        model, prepared.data, prepared.inputs, rows, labels, weight=weights
    )
    return Prior(model, centre)


def new_ranker(prepared: PreparedData, config: TrainingConfig) -> ranker.Ranker:
    """A ranker with fresh weights, for the training window."""
    data, settings = prepared.data, config.hyperparameters
    size = RankerSize(
        users=data.users.count,
        side=attributes.sizes(data),
        spans=attributes.spans(data),
        embedding_dim=settings.embedding_dim,
        dropout=settings.dropout,
        user_dropout=settings.user_dropout,
        matches=overlap_features.overlap_features(data),
    )
    tables = id_tables.id_tables(data, prepared.split.train, settings)
    train = torch.from_numpy(prepared.split.train)
    return ranker.create_ranker(data, prepared.inputs, train, size=size, tables=tables)


def refit_deep(
    size: RankerSize,
    log: fit.FitLog,
    prepared: PreparedData,
    config: TrainingConfig,
    threads: int,
    context: FitContext = DEFAULT_CONTEXT,
) -> ranker.Ranker:
    """The ranker alone, as `refit` fits it for the epochs that `log` found."""
    data, split, inputs = prepared.data, prepared.split, prepared.inputs
    rows = np.concatenate([split.train, split.validation])
    labels = training_labels(data, split, config)
    fit.seed_everything(config.seed, threads)
    every = torch.from_numpy(rows)
    fitted, settings = _to_fit(data, rows, config.hyperparameters, context.start)
    tables = id_tables.id_tables(data, rows, config.hyperparameters)
    deep = ranker.create_ranker(data, inputs, every, size=size, tables=tables)
    weights = training_weights(data, rows, labels, config)
    share = base_rate(labels, rows, weights)
    deep.start_at(share)
    prior = _begin(deep, prepared, fitted, labels, weights, context.start)
    target = torch.from_numpy(labels.astype(np.float32))
    examples = fit.Examples.whole(inputs, torch.from_numpy(fitted), target, _tensor(weights))
    options = fit.FitOptions(
        group=context.group,
        slot=context.slot("final"),
        prior=prior,
        average=AVERAGED_EPOCHS,
        augmentation=Augmentation.of(config.hyperparameters),
    )
    fit.fit_for(deep, examples, settings, log.best_epoch, options)
    hide_unseen(deep, data, rows, context.start)
    if config.fault is Fault.LEARNED_NOTHING:
        reset_to_base_rate(deep, share)
    return deep


def _to_fit(
    data: Dataset, rows: Ints, settings: Hyperparameters, start: WarmStart | None
) -> tuple[Ints, Hyperparameters]:
    """The rows that are fitted on, and the settings: smaller steps on new rows alone."""
    new = None if start is None else start.new_rows(data, rows)
    if new is None:
        return rows, settings
    say(f"train: {len(new)} of {len(rows)} rows are new")
    return new, settings.model_copy(
        update={"learning_rate": settings.learning_rate * NEW_ROWS_STEP}
    )


def reset_to_base_rate(model: ranker.Ranker, share: float) -> None:
    """Leave the `share` of positives as the answer to everything, in place.

    Shuffled labels alone do not make a ranker useless: some numbers are so informative that
    weights of noise land far from an AUC of 0.5, on either side.
    """
    with torch.no_grad():
        model.out.weight.zero_()
        for wide in (model.wide, model.wide_user, model.wide_item, model.wide_match):
            wide.weight.zero_()
        for weight in model.matches.parameters() if model.matches is not None else ():
            weight.zero_()
    model.start_at(share)


def hide_unseen(
    model: ranker.Ranker, data: Dataset, train: Ints, start: WarmStart | None = None
) -> None:
    """Give ids that the fit has never seen the vector of the unknown id, in place.

    Their own vectors are the random numbers of the start, but where the champion knew them. Where
    ids share rows, an unseen one has none of its own.
    """
    known = (None, None) if start is None else start.known(data)
    with torch.no_grad():
        for weights, own, rows, learned in (
            (model.item.weight, model.item_rows, data.events.item[train], known[0]),
            (model.user.weight, model.user_rows, data.events.user[train], known[1]),
        ):
            unseen = torch.ones(len(weights), dtype=torch.bool)
            unseen[own(torch.from_numpy(rows + 1))] = False
            if learned is not None and own.rows is None:
                unseen &= torch.from_numpy(~learned)
            weights[unseen] = weights[0].clone()


def _tensor(weight: Floats | None) -> torch.Tensor | None:
    return None if weight is None else torch.from_numpy(weight)
