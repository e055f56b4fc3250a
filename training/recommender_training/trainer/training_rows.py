"""Labels and weights of the rows of a fit."""

from __future__ import annotations

import numpy as np

from recommender_contract.resource.training_settings import Fault
from recommender_training.common.arrays import Bools, Floats, Ints
from recommender_training.config.training import TrainingConfig
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
    by_group = reweighting.row_weights(data, rows, labels, config.reweighting)
    by_type = type_weights(data, rows)
    if by_group is None or by_type is None:
        return by_type if by_group is None else by_group
    return by_group * by_type


def type_weights(data: Dataset, rows: Ints) -> Floats | None:
    """[N] the declared weight of the event type that makes a row positive; None for equal ones.

    The positive rows among `rows` weigh 1 on average, as all others do, so that the types count
    relative to one another and probabilities keep the share of positives.
    """
    said = data.events.labels
    if said is None or data.label is None:
        return None
    if len({each.weight for each in data.label.positive_types or ()}) < 2:
        return None
    positive = rows[said.label[rows]]
    if len(positive) == 0:
        return None
    mean = float(said.weight[positive].mean(dtype=np.float64))
    return np.where(said.label, said.weight / np.float32(mean), np.float32(1.0))
