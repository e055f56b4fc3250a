"""Both models fitted on one data set, with their calibrations: what is evaluated and exported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from recommender_training.common.arrays import Doubles, Ints
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.predict import predict
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.mitigation.exposure import Bonus
from recommender_training.models import logistic, ranker
from recommender_training.statistics import calibration
from recommender_training.statistics.calibration import Calibration

#: Rows that the logistic regression answers at a time.
_ROWS = 65_536


@dataclass
class FitLog:
    """Validation loss at each look (in epochs), the best one, and the pace of the training."""

    looks: list[tuple[float, float]] = field(default_factory=list)
    best_epoch: float = 0.0
    best_loss: float = math.inf
    #: Of the training steps of each epoch, without the looks. Never part of an artifact.
    epoch_seconds: list[float] = field(default_factory=list)

    @property
    def lowest_epoch(self) -> float:
        """Of the look with the lowest loss, which need not be better beyond chance."""
        looks = [(loss, epoch) for epoch, loss in self.looks if loss < math.inf]
        return min(looks, default=(math.inf, 0.0))[1]


@dataclass(frozen=True)
class Bundle:
    """The fitted models. `deep` is absent where the algorithm is the logistic regression."""

    baseline: logistic.LogisticModel
    baseline_calibration: Calibration
    deep: ranker.Ranker | None
    deep_calibration: Calibration
    log: FitLog
    #: Of the lists of `recommender` and `baseline`; empty where exposure is not constrained.
    bonus: Mapping[str, Bonus] = field(default_factory=dict)
    #: What lists are ordered by beside the response and the bonus.
    sources: RetrievalModels = field(default_factory=RetrievalModels)


def baseline_logits(
    baseline: logistic.LogisticModel, prepared: PreparedData, rows: Ints
) -> Doubles:
    """[rows] logits of the logistic regression, before its calibration."""
    parts = np.array_split(rows, max(1, -(-len(rows) // _ROWS)))
    logits = [
        baseline.logits(prepared.inputs.take(torch.from_numpy(part)), prepared.data)
        for part in parts
    ]
    return np.concatenate(logits)


def baseline_probability(bundle: Bundle, prepared: PreparedData, rows: Ints) -> Doubles:
    """Calibrated probabilities of the logistic regression."""
    logits = baseline_logits(bundle.baseline, prepared, rows)
    return calibration.probability(bundle.baseline_calibration(logits))


def probability(bundle: Bundle, prepared: PreparedData, rows: Ints) -> Doubles:
    """Calibrated probabilities of the model that is to serve."""
    if bundle.deep is None:
        return baseline_probability(bundle, prepared, rows)
    logits = predict(bundle.deep, prepared.inputs, torch.from_numpy(rows)).numpy()
    return calibration.probability(bundle.deep_calibration(logits))
