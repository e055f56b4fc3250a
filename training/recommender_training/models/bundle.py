"""Both models fitted on one data set, with their temperatures: what is evaluated and exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from recommender_training.config import Algorithm, Fault, TrainingConfig
from recommender_training.data import splits
from recommender_training.data.dataset import Bools, Dataset, Ints
from recommender_training.evaluation import metrics
from recommender_training.features import table
from recommender_training.models import calibration, fit, logistic, ranker
from recommender_training.models.sources import Sources, fit_sources, refit_sources
from recommender_training.models.warm import WarmStart
from recommender_training.progress import say

Watch = Callable[[fit.FitLog], None]


@dataclass(frozen=True)
class Prepared:
    """A data set, split and featured."""

    data: Dataset
    split: splits.Split
    constants: table.Constants
    inputs: table.Inputs
    history_length: int


@dataclass(frozen=True)
class Bundle:
    """The fitted models. `deep` is absent where the algorithm is the logistic regression."""

    baseline: logistic.LogisticModel
    baseline_temperature: float
    deep: ranker.Ranker | None
    deep_temperature: float
    log: fit.FitLog
    sources: Sources = field(default_factory=Sources)


def prepare(data: Dataset, config: TrainingConfig) -> Prepared:
    """Split the data set in time and build the inputs of all rows."""
    return prepare_split(data, splits.temporal(data.events), config)


def prepare_split(data: Dataset, split: splits.Split, config: TrainingConfig) -> Prepared:
    """Build the inputs of all rows of a data set that is split already."""
    frozen = table.constants(data, split.train)
    length = config.hyperparameters.history_length
    return Prepared(data, split, frozen, table.build(data, length, frozen), length)


def fit_models(
    prepared: Prepared, config: TrainingConfig, threads: int, start: WarmStart | None = None
) -> Bundle:
    """Fit the baseline and, unless the algorithm is the baseline itself, the deep ranker, which
    starts from the champion's weights where `start` has them.

    On the training window alone, so that the validation window can be judged.
    """
    data, split, inputs = prepared.data, prepared.split, prepared.inputs
    labels = training_labels(data, split, config)
    fit.seed_everything(config.seed, threads)
    say(f"train: logistic regression on {len(split.train)} rows")
    baseline = logistic.fit(inputs, split.train, data, labels)
    logits = baseline.logits(inputs.take(torch.from_numpy(split.validation)), data)
    held = labels[split.validation]
    temperature = calibration.fit_temperature(held, logits)
    sources = fit_sources(data, split, inputs, config)
    fit.seed_everything(config.seed, threads)  # the ranker's draws do not depend on the towers
    if config.algorithm is Algorithm.LOGISTIC_REGRESSION:
        return Bundle(baseline, temperature, None, 1.0, fit.FitLog(), sources)
    deep, log = _fit_ranker(prepared, config, labels, None, start)
    rows = torch.from_numpy(split.validation)
    deep_temperature = calibration.fit_temperature(held, fit.predict(deep, inputs, rows).numpy())
    return Bundle(baseline, temperature, deep, deep_temperature, log, sources)


def refit(
    bundle: Bundle,
    prepared: Prepared,
    config: TrainingConfig,
    threads: int,
    start: WarmStart | None = None,
) -> Bundle:
    """The same models fitted again on training and validation window, as they are to serve.

    The newest events tell most about the next ones. Nothing is chosen here: epochs and
    temperatures stay those that `fit_models` found with the validation window held out, so the
    result must not be judged on that window.
    """
    data, split, inputs = prepared.data, prepared.split, prepared.inputs
    rows = np.concatenate([split.train, split.validation])
    labels = training_labels(data, split, config)
    fit.seed_everything(config.seed, threads)
    say(f"train: again on {len(rows)} rows, those of the validation window included")
    baseline = logistic.fit(inputs, rows, data, labels)
    sources = refit_sources(bundle.sources, data, rows, inputs, config)
    fit.seed_everything(config.seed, threads)
    if bundle.deep is None:
        return replace(bundle, baseline=baseline, sources=sources)
    every = torch.from_numpy(rows)
    deep = ranker.create(data, inputs, every, size=bundle.deep.size)
    if start is not None:
        start.apply(deep, data)
    target = torch.from_numpy(labels.astype(np.float32))
    settings, epochs = config.hyperparameters, bundle.log.best_epoch
    fit.fit_for(deep, inputs, every, settings, target, epochs)
    hide_unseen(deep, data, rows, start)
    if config.fault is Fault.LEARNED_NOTHING:
        forget(deep)
    return replace(bundle, baseline=baseline, deep=deep, sources=sources)


def training_labels(data: Dataset, split: splits.Split, config: TrainingConfig) -> Bools:
    """[N] labels to fit on; under the fault LearnedNothing they say nothing about their rows."""
    label = data.events.label.copy()
    if config.fault is Fault.LEARNED_NOTHING:
        random = np.random.default_rng(config.seed)
        for rows in (split.train, split.validation):
            label[rows] = random.permutation(label[rows])
    return label


def fit_deep(
    prepared: Prepared,
    config: TrainingConfig,
    threads: int,
    watch: Watch | None = None,
    start: WarmStart | None = None,
) -> tuple[ranker.Ranker, fit.FitLog]:
    """Fit the deep ranker alone, with the weights that `fit_models` gives it.

    `watch` is called after each look at the validation window, and ends the fit by raising.
    """
    fit.seed_everything(config.seed, threads)
    labels = training_labels(prepared.data, prepared.split, config)
    return _fit_ranker(prepared, config, labels, watch, start)


def new_ranker(prepared: Prepared, config: TrainingConfig) -> ranker.Ranker:
    """A ranker with fresh weights, for the training window."""
    data, settings = prepared.data, config.hyperparameters
    size = ranker.RankerSize(
        users=data.users.count,
        genders=len(data.users.genders),
        occupations=len(data.users.occupations),
        embedding_dim=settings.embedding_dim,
        dropout=settings.dropout,
        user_dropout=settings.user_dropout,
    )
    rows = torch.from_numpy(prepared.split.train)
    return ranker.create(data, prepared.inputs, rows, size=size)


def _fit_ranker(
    prepared: Prepared,
    config: TrainingConfig,
    labels: Bools,
    watch: Watch | None,
    start: WarmStart | None = None,
) -> tuple[ranker.Ranker, fit.FitLog]:
    data, settings = prepared.data, config.hyperparameters
    train = torch.from_numpy(prepared.split.train)
    model = new_ranker(prepared, config)
    if start is not None:
        start.apply(model, data)
    say(f"train: deep ranker, {sum(p.numel() for p in model.parameters())} weights")
    validation = torch.from_numpy(prepared.split.validation)
    target = torch.from_numpy(labels.astype(np.float32))
    log = fit.fit(
        model, prepared.inputs, train, validation, settings, target, watch,
        look_first=start is not None,
    )  # fmt: skip
    hide_unseen(model, data, prepared.split.train, start)
    if config.fault is Fault.LEARNED_NOTHING:
        forget(model)
    return model, log


def forget(model: ranker.Ranker) -> None:
    """Leave the share of positives as the answer to everything, in place.

    Shuffled labels alone do not make a ranker useless: some numbers tell so much that weights of
    noise land far from an AUC of 0.5, on either side.
    """
    with torch.no_grad():
        model.out.weight.zero_()
        model.wide.weight.zero_()


def hide_unseen(
    model: ranker.Ranker, data: Dataset, train: Ints, start: WarmStart | None = None
) -> None:
    """Give ids that the fit has never seen the vector of the unknown id, in place.

    Their own vectors are the random numbers of the start, but where the champion knew them.
    """
    known = (None, None) if start is None else start.known(data)
    with torch.no_grad():
        for weights, rows, learned in (
            (model.item.weight, data.events.item[train], known[0]),
            (model.user.weight, data.events.user[train], known[1]),
        ):
            unseen = torch.ones(weights.shape[0], dtype=torch.bool)
            unseen[torch.from_numpy(np.unique(rows)) + 1] = False
            if learned is not None:
                unseen &= ~torch.from_numpy(learned)
            weights[unseen] = weights[0].clone()


def baseline_probability(bundle: Bundle, prepared: Prepared, rows: Ints) -> metrics.Array:
    """Calibrated probabilities of the logistic regression."""
    logits = bundle.baseline.logits(prepared.inputs.take(torch.from_numpy(rows)), prepared.data)
    return calibration.probability(logits / bundle.baseline_temperature)


def probability(bundle: Bundle, prepared: Prepared, rows: Ints) -> metrics.Array:
    """Calibrated probabilities of the model that is to serve."""
    if bundle.deep is None:
        return baseline_probability(bundle, prepared, rows)
    logits = fit.predict(bundle.deep, prepared.inputs, torch.from_numpy(rows)).numpy()
    return calibration.probability(logits / bundle.deep_temperature)
