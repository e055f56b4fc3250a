"""A data set, split in time, with the inputs of its rows: what fits and evaluations read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logit

from recommender_training.common.arrays import Ints
from recommender_training.config.training import TrainingConfig
from recommender_training.data import splits
from recommender_training.data.dataset import Dataset
from recommender_training.features import assembly, event_features

#: Rows of the validation window that a fit is stopped by, and that calibrations are fitted on.
MAX_HELD_OUT = 200_000


@dataclass(frozen=True)
class PreparedData:
    """A data set, split and featured."""

    data: Dataset
    split: splits.Split
    constants: assembly.Constants
    inputs: event_features.Source
    history_length: int

    @property
    def rate_shift(self) -> float:
        """Shift of logits with which probabilities have the declared share of positives.

        The odds of the declared share over those of the training rows, as a logarithm (King and
        Zeng 2001, Logistic regression in rare events data, section 4.1); 0 if none is declared.
        """
        rate = self.data.label.positive_rate if self.data.label else None
        if rate is None:
            return 0.0
        label = self.data.events.label[self.split.train]
        share = (float(label.sum()) + 0.5) / (len(label) + 1.0)
        return float(logit(rate) - logit(share))

    @property
    def kept(self) -> assembly.Inputs:
        """The inputs of all rows; for small data sets."""
        inputs = self.inputs
        return inputs if isinstance(inputs, assembly.Inputs) else inputs.all()


def prepare_data(data: Dataset, config: TrainingConfig) -> PreparedData:
    """Split the data set in time, and build the inputs of its rows or what they come from."""
    return prepare_split(data, splits.temporal(data.events), config)


def prepare_split(data: Dataset, split: splits.Split, config: TrainingConfig) -> PreparedData:
    """The same for a data set that is split already."""
    frozen = event_features.constants(data, split.train, config.hyperparameters.features)
    length = config.hyperparameters.history_length
    return PreparedData(data, split, frozen, event_features.source(data, length, frozen), length)


def judged_at(prepared: PreparedData, time: int) -> PreparedData:
    """The same for judging the events from `time` on: items with a history are as they were then.

    A model that serves has one row an item until the next one is trained, and nobody may be judged
    by what came after.
    """
    if prepared.data.items.history is None:
        return prepared
    data, frozen, length = prepared.data.as_of(time), prepared.constants, prepared.history_length
    parts = event_features.EventParts.of(data, length, frozen.groups, frozen.prior, since=time)
    return replace(prepared, data=data, inputs=event_features.Features(parts, frozen))


def held_out(split: splits.Split) -> Ints:
    """At most MAX_HELD_OUT rows of the validation window, which a fit is stopped by.

    Every look, trial and seed has the same ones.
    """
    rows = split.validation
    if len(rows) <= MAX_HELD_OUT:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, MAX_HELD_OUT, replace=False))
