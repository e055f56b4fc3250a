"""Fit all models of a training, with their calibrations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from recommender_contract.resource.training_settings import Algorithm
from recommender_training.common.progress import say
from recommender_training.config.training import TrainingConfig
from recommender_training.features.prepared_data import PreparedData, held_out
from recommender_training.fitted.bundle import Bundle, FitLog, baseline_logits
from recommender_training.models import logistic
from recommender_training.statistics import calibration
from recommender_training.statistics.calibration import Calibration
from recommender_training.trainer import fit
from recommender_training.trainer.deep_ranker import fit_ranker, refit_deep
from recommender_training.trainer.fit_context import DEFAULT_CONTEXT, FitContext
from recommender_training.trainer.fit_towers import fit_towers, refit_towers
from recommender_training.trainer.training_rows import (
    base_rate,
    training_labels,
    training_weights,
)


def fit_models(
    prepared: PreparedData,
    config: TrainingConfig,
    threads: int,
    context: FitContext = DEFAULT_CONTEXT,
) -> Bundle:
    """Fit the baseline and, unless the algorithm is the baseline itself, the deep ranker.

    On the training window alone, so that the validation window stays held out. Where the context
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
    held, user = labels[rows], data.events.user[rows]
    share = base_rate(labels, split.train, weight)
    found = calibration.fit(held, baseline_logits(baseline, prepared, rows), user, share)
    found = found.moved(prepared.rate_shift)
    if config.algorithm is Algorithm.LOGISTIC_REGRESSION:
        bare = Bundle(baseline, found, None, Calibration(), FitLog())
    else:
        deep, log = fit_ranker(prepared, config, labels, None, context)
        deep_logits = fit.predict(deep, inputs, torch.from_numpy(rows)).numpy()
        deep_found = calibration.fit(held, deep_logits, user, share).moved(prepared.rate_shift)
        bare = Bundle(baseline, found, deep, deep_found, log)
    fit.seed_everything(config.seed, threads)  # the towers' draws do not depend on the ranker's
    slot = context.slot("towers")
    return replace(bare, sources=fit_towers(data, split.train, rows, inputs, config, slot))


def refit(
    bundle: Bundle,
    prepared: PreparedData,
    config: TrainingConfig,
    threads: int,
    context: FitContext = DEFAULT_CONTEXT,
) -> Bundle:
    """The same models fitted again on training and validation window, as they are to serve.

    The newest events predict the next ones best. Nothing is chosen here: epochs and
    calibrations stay those that `fit_models` found with the validation window held out, so the
    result must not be evaluated on that window. Peers call `refit_deep` meanwhile.
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
        deep = refit_deep(deep.size, bundle.log, prepared, config, threads, context)
    fit.seed_everything(config.seed, threads)
    slot = context.slot("towers-final")
    sources = refit_towers(bundle.sources, data, rows, inputs, config, slot)
    return replace(bundle, baseline=baseline, deep=deep, sources=sources)
