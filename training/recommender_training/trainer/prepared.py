"""What fits read: a data set with split and inputs, what to fit on, and what to judge by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender_training.common.arrays import Bools, Floats, Ints
from recommender_training.config.training import Fault, TrainingConfig
from recommender_training.data import splits
from recommender_training.data.dataset import Dataset
from recommender_training.features import assembly, table
from recommender_training.mitigation import reweighting

#: Rows of the validation window that a fit is judged by, and that the temperatures are fitted on.
MAX_HELD_OUT = 200_000


@dataclass(frozen=True)
class Prepared:
    """A data set, split and featured."""

    data: Dataset
    split: splits.Split
    constants: assembly.Constants
    inputs: table.Source
    history_length: int

    @property
    def kept(self) -> assembly.Inputs:
        """The inputs of all rows; for small data sets."""
        inputs = self.inputs
        return inputs if isinstance(inputs, assembly.Inputs) else inputs.all()


def prepare(data: Dataset, config: TrainingConfig) -> Prepared:
    """Split the data set in time, and build the inputs of its rows or what they come from."""
    return prepare_split(data, splits.temporal(data.events), config)


def prepare_split(data: Dataset, split: splits.Split, config: TrainingConfig) -> Prepared:
    """The same for a data set that is split already."""
    frozen = table.constants(data, split.train, config.hyperparameters.features)
    length = config.hyperparameters.history_length
    return Prepared(data, split, frozen, table.source(data, length, frozen), length)


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


def held_out(split: splits.Split) -> Ints:
    """The rows of the validation window that a fit is judged by: MAX_HELD_OUT of them at most.

    Drawn once for all, so that every look, trial and seed is judged by the same ones.
    """
    rows = split.validation
    if len(rows) <= MAX_HELD_OUT:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, MAX_HELD_OUT, replace=False))
