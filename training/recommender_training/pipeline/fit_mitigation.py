"""Fits for the mitigation: the bonus of item groups, and models without row weights.

The evaluation compares both with what serves (`evaluation.mitigation_effect`); it fits nothing
itself.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recommender_contract.resource.hyperparameters import Retrieval
from recommender_contract.resource.mitigation import Exposure
from recommender_training.common.progress import say
from recommender_training.config.training import TrainingConfig
from recommender_training.evaluation import (
    catalogue_metrics,
    fairness,
    predictions,
    ranking_metrics,
)
from recommender_training.evaluation.mitigation_effect import Before
from recommender_training.evaluation.predictions import TOP_K, Window
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.mitigation import exposure, reweighting
from recommender_training.trainer.fit_context import FitContext
from recommender_training.trainer.fit_models import fit_models, refit
from recommender_training.trainer.initial_weights import WarmStart
from recommender_training.trainer.training_rows import training_labels


def with_bonus(bundle: Bundle, prepared: PreparedData, config: TrainingConfig) -> Bundle:
    """The models with the bonus of the item groups, found on the validation window.

    That window is held out of the fit of `bundle`, and never the test window.
    """
    settings = config.exposure
    if settings is None:
        return bundle
    say("exposure: the bonus of each item group, on the validation window")
    window = predictions.window(prepared, prepared.split.validation, bundle.sources)
    base, served = predictions.scorers(bundle, prepared)
    found = {"baseline": _bonus(window, base, settings)}
    if bundle.deep is not None:
        found["recommender"] = _bonus(window, served, settings)
    for name, bonus in found.items():
        if not bonus.met:
            say(
                f"exposure: no bonus of {name} within maxBonus={settings.max_bonus:g} gives each "
                f"group minExposureRatio={settings.min_exposure_ratio:g}; the nearest is used"
            )
    return replace(bundle, bonus=found)


def _bonus(window: Window, scorer: ranking_metrics.Scorer, settings: Exposure) -> exposure.Bonus:
    plain = window.plain
    membership = window.membership(settings.by)
    relevance = catalogue_metrics.mean_share(
        catalogue_metrics.group_relevance(window.task, membership)
    )
    wanted = exposure.Wanted(
        items=plain.items,
        scores=window.scores(plain, scorer) + plain.order,
        membership=membership,
        relevance=relevance,
        bound=relevance >= fairness.MIN_RELEVANCE_SHARE,
    )
    return exposure.fit(wanted, settings, TOP_K)


def without_weights(
    prepared: PreparedData, config: TrainingConfig, threads: int, start: WarmStart | None = None
) -> Before | None:
    """Models without the weights, for the comparison in a report; None without mitigation.

    The models without weights start from the same `start`. They need no towers: both sides' lists
    are ordered by those of the evaluated window.
    """
    weighted, settings = config.reweighting, config.mitigation
    if settings is None or (weighted is None and config.exposure is None):
        return None
    if weighted is None:
        return Before(settings, None, [])
    say("reweighting: the same models without weights, for comparison")
    settled = config.hyperparameters.model_copy(update={"retrieval": Retrieval.WEIGHTS})
    bare = config.model_copy(update={"mitigation": None, "hyperparameters": settled})
    context = FitContext(start=start)
    bundle = refit(fit_models(prepared, bare, threads, context), prepared, bare, threads, context)
    data, split = prepared.data, prepared.split
    rows = np.concatenate([split.train, split.validation])
    labels = training_labels(data, split, config)
    return Before(settings, bundle, reweighting.reweighting_report(data, rows, labels, weighted))
