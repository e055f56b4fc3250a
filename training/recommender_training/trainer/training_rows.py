"""What the rows of a fit are labelled with, and what each of them weighs."""

from __future__ import annotations

import numpy as np

from recommender_training.common.arrays import Bools, Floats, Ints
from recommender_training.config.training import Fault, TrainingConfig
from recommender_training.data import splits
from recommender_training.data.dataset import Dataset
from recommender_training.mitigation import reweighting


def training_labels(data: Dataset, split: splits.Split, config: TrainingConfig) -> Bools:
    """[N] labels to fit on; under the fault LearnedNothing they are shuffled."""
    label = data.events.label.copy()
    if config.fault is Fault.LEARNED_NOTHING:
        random = np.random.default_rng(config.seed)
        for rows in (split.train, split.validation):
            label[rows] = random.permutation(label[rows])
    return label


def base_rate(labels: Bools, rows: Ints, weight: Floats | None) -> float:
    """Share of positives of the rows that are fitted on, weighted as their loss.

    Half a row of either class is added, so that its logit is finite where a class is missing.
    """
    label = labels[rows]
    if weight is None:
        return float((label.sum() + 0.5) / (len(rows) + 1.0))
    counted = weight[rows]
    positive, every = (part.sum(dtype=np.float64) for part in (counted[label], counted))
    return float((positive + 0.5) / (every + 1.0))


def training_weights(
    data: Dataset, rows: Ints, labels: Bools, config: TrainingConfig
) -> Floats | None:
    """[N] the weight of each row that is fitted on; None where all weigh the same."""
    return reweighting.row_weights(data, rows, labels, config.reweighting)
