"""Both models fitted on one data set, with their temperatures: what is evaluated and exported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from recommender_training.config import Algorithm, Fault, TrainingConfig
from recommender_training.data import splits
from recommender_training.data.dataset import Bools, Dataset, Floats, Ints
from recommender_training.evaluation import metrics
from recommender_training.features import table
from recommender_training.mitigation import reweighting
from recommender_training.mitigation.exposure import Bonus
from recommender_training.models import calibration, fit, logistic, ranker
from recommender_training.models.course import ALONE, Course
from recommender_training.models.sources import Sources, fit_sources, refit_sources
from recommender_training.models.warm import WarmStart
from recommender_training.progress import say

#: Rows of the validation window that a fit is judged by, and that the temperatures are fitted on.
MAX_HELD_OUT = 200_000
#: Rows that the logistic regression answers at a time.
_ROWS = 65_536

Watch = Callable[[fit.FitLog], None]


@dataclass(frozen=True)
class Prepared:
    """A data set, split and featured."""

    data: Dataset
    split: splits.Split
    constants: table.Constants
    inputs: table.Source
    history_length: int

    @property
    def kept(self) -> table.Inputs:
        """The inputs of all rows; for small data sets."""
        inputs = self.inputs
        return inputs if isinstance(inputs, table.Inputs) else inputs.all()


@dataclass(frozen=True)
class Bundle:
    """The fitted models. `deep` is absent where the algorithm is the logistic regression."""

    baseline: logistic.LogisticModel
    baseline_temperature: float
    deep: ranker.Ranker | None
    deep_temperature: float
    log: fit.FitLog
    #: Of the lists of `recommender` and `baseline`; empty where exposure is not constrained.
    bonus: Mapping[str, Bonus] = field(default_factory=dict)
    #: What lists are ordered by beside the response and the bonus.
    sources: Sources = field(default_factory=Sources)


def prepare(data: Dataset, config: TrainingConfig) -> Prepared:
    """Split the data set in time, and build the inputs of its rows or what they come from."""
    return prepare_split(data, splits.temporal(data.events), config)


def prepare_split(data: Dataset, split: splits.Split, config: TrainingConfig) -> Prepared:
    """The same for a data set that is split already."""
    frozen = table.constants(data, split.train, config.hyperparameters.features)
    length = config.hyperparameters.history_length
    return Prepared(data, split, frozen, table.source(data, length, frozen), length)


def fit_models(
    prepared: Prepared, config: TrainingConfig, threads: int, course: Course = ALONE
) -> Bundle:
    """Fit the baseline and, unless the algorithm is the baseline itself, the deep ranker.

    On the training window alone, so that the validation window can be judged. Where the course
    has peers, they call `fit_deep` meanwhile; the towers are this process's alone, and come last,
    when no peer waits in an exchange.
    """
    data, split, inputs = prepared.data, prepared.split, prepared.inputs
    labels = training_labels(data, split, config)
    fit.seed_everything(config.seed, threads)
    say(f"train: logistic regression on {len(split.train)} rows")
    weight = training_weights(data, split.train, labels, config)
    baseline = logistic.fit(inputs, split.train, data, labels, weight=weight)
    rows = held_out(split)
    held = labels[rows]
    logits = baseline_logits(baseline, prepared, rows)
    temperature = calibration.fit_temperature(held, logits)
    if config.algorithm is Algorithm.LOGISTIC_REGRESSION:
        bare = Bundle(baseline, temperature, None, 1.0, fit.FitLog())
    else:
        deep, log = _fit_ranker(prepared, config, labels, None, course)
        deep_logits = fit.predict(deep, inputs, torch.from_numpy(rows)).numpy()
        deep_temperature = calibration.fit_temperature(held, deep_logits)
        bare = Bundle(baseline, temperature, deep, deep_temperature, log)
    fit.seed_everything(config.seed, threads)  # the towers' draws do not depend on the ranker's
    slot = course.slot("towers")
    return replace(bare, sources=fit_sources(data, split.train, rows, inputs, config, slot))


def refit(
    bundle: Bundle,
    prepared: Prepared,
    config: TrainingConfig,
    threads: int,
    course: Course = ALONE,
) -> Bundle:
    """The same models fitted again on training and validation window, as they are to serve.

    The newest events tell most about the next ones. Nothing is chosen here: epochs and
    temperatures stay those that `fit_models` found with the validation window held out, so the
    result must not be judged on that window. Peers call `refit_deep` meanwhile.
    """
    data, split, inputs = prepared.data, prepared.split, prepared.inputs
    rows = np.concatenate([split.train, split.validation])
    labels = training_labels(data, split, config)
    fit.seed_everything(config.seed, threads)
    say(f"train: again on {len(rows)} rows, those of the validation window included")
    weight = training_weights(data, rows, labels, config)
    baseline = logistic.fit(inputs, rows, data, labels, weight=weight)
    deep = bundle.deep
    if deep is not None:
        deep = refit_deep(deep.size, bundle.log, prepared, config, threads, course)
    fit.seed_everything(config.seed, threads)
    slot = course.slot("towers-final")
    sources = refit_sources(bundle.sources, data, rows, inputs, config, slot)
    return replace(bundle, baseline=baseline, deep=deep, sources=sources)


def refit_deep(
    size: ranker.RankerSize,
    log: fit.FitLog,
    prepared: Prepared,
    config: TrainingConfig,
    threads: int,
    course: Course = ALONE,
) -> ranker.Ranker:
    """The ranker alone, as `refit` fits it for the epochs that `log` found."""
    data, split, inputs = prepared.data, prepared.split, prepared.inputs
    rows = np.concatenate([split.train, split.validation])
    labels = training_labels(data, split, config)
    fit.seed_everything(config.seed, threads)
    every = torch.from_numpy(rows)
    deep = ranker.create(data, inputs, every, size=size)
    if course.start is not None:
        course.start.apply(deep, data)
    target = torch.from_numpy(labels.astype(np.float32))
    fit.fit_for(
        deep,
        inputs,
        every,
        config.hyperparameters,
        target,
        log.best_epoch,
        weight=_tensor(training_weights(data, rows, labels, config)),
        group=course.group,
        slot=course.slot("final"),
    )
    hide_unseen(deep, data, rows, course.start)
    if config.fault is Fault.LEARNED_NOTHING:
        forget(deep)
    return deep


def training_labels(data: Dataset, split: splits.Split, config: TrainingConfig) -> Bools:
    """[N] labels to fit on; under the fault LearnedNothing they say nothing about their rows."""
    label = data.events.label.copy()
    if config.fault is Fault.LEARNED_NOTHING:
        random = np.random.default_rng(config.seed)
        for rows in (split.train, split.validation):
            label[rows] = random.permutation(label[rows])
    return label


def training_weights(
    data: Dataset, rows: Ints, labels: Bools, config: TrainingConfig
) -> Floats | None:
    """[N] what each of the rows that are fitted on counts; None where all count alike."""
    return reweighting.row_weights(data, rows, labels, config.reweighting)


def _tensor(weight: Floats | None) -> torch.Tensor | None:
    return None if weight is None else torch.from_numpy(weight)


def fit_deep(
    prepared: Prepared,
    config: TrainingConfig,
    threads: int,
    watch: Watch | None = None,
    course: Course = ALONE,
) -> tuple[ranker.Ranker, fit.FitLog]:
    """Fit the deep ranker alone, with the weights that `fit_models` gives it.

    `watch` is called after each look at the validation window, and ends the fit by raising.
    """
    fit.seed_everything(config.seed, threads)
    labels = training_labels(prepared.data, prepared.split, config)
    return _fit_ranker(prepared, config, labels, watch, course)


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
    train = torch.from_numpy(prepared.split.train)
    return ranker.create(data, prepared.inputs, train, size=size)


def _fit_ranker(
    prepared: Prepared,
    config: TrainingConfig,
    labels: Bools,
    watch: Watch | None,
    course: Course,
) -> tuple[ranker.Ranker, fit.FitLog]:
    data, settings, start = prepared.data, config.hyperparameters, course.start
    train = torch.from_numpy(prepared.split.train)
    model = new_ranker(prepared, config)
    if start is not None:
        start.apply(model, data)
    say(f"train: deep ranker, {sum(p.numel() for p in model.parameters())} weights")
    validation = torch.from_numpy(held_out(prepared.split))
    target = torch.from_numpy(labels.astype(np.float32))
    weight = _tensor(training_weights(data, prepared.split.train, labels, config))
    log = fit.fit(
        model,
        prepared.inputs,
        train,
        validation,
        settings,
        target,
        watch,
        weight=weight,
        group=course.group,
        slot=course.slot("first"),
        look_first=start is not None,
    )
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
            unseen = np.ones(weights.shape[0], dtype=np.bool_)
            unseen[rows + 1] = False
            if learned is not None:
                unseen &= ~learned
            weights[torch.from_numpy(unseen)] = weights[0].clone()


def held_out(split: splits.Split) -> Ints:
    """The rows of the validation window that a fit is judged by: MAX_HELD_OUT of them at most.

    Drawn once for all, so that every look, trial and seed is judged by the same ones.
    """
    rows = split.validation
    if len(rows) <= MAX_HELD_OUT:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, MAX_HELD_OUT, replace=False))


def baseline_logits(
    baseline: logistic.LogisticModel, prepared: Prepared, rows: Ints
) -> metrics.Array:
    """[rows] logits of the logistic regression, before its temperature."""
    parts = np.array_split(rows, max(1, -(-len(rows) // _ROWS)))
    logits = [
        baseline.logits(prepared.inputs.take(torch.from_numpy(part)), prepared.data)
        for part in parts
    ]
    return np.concatenate(logits)


def baseline_probability(bundle: Bundle, prepared: Prepared, rows: Ints) -> metrics.Array:
    """Calibrated probabilities of the logistic regression."""
    logits = baseline_logits(bundle.baseline, prepared, rows)
    return calibration.probability(logits / bundle.baseline_temperature)


def probability(bundle: Bundle, prepared: Prepared, rows: Ints) -> metrics.Array:
    """Calibrated probabilities of the model that is to serve."""
    if bundle.deep is None:
        return baseline_probability(bundle, prepared, rows)
    logits = fit.predict(bundle.deep, prepared.inputs, torch.from_numpy(rows)).numpy()
    return calibration.probability(logits / bundle.deep_temperature)
