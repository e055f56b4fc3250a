"""The ranker of a generated shop with all kinds of features, and without one of them.

Only the ranker is fitted, and all are fitted on one data set: without a feature, its columns are
gone. That is what the same mapping without its declaration reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import torch

from recommender_training.common.arrays import Doubles, Ints
from recommender_training.config.feature_schema import FeatureTable
from recommender_training.config.training import TrainingConfig
from recommender_training.data import feature_encoding
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import ranking_metrics
from recommender_training.features.assembly import Inputs
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.prepared_data import PreparedData, held_out, prepare_split
from recommender_training.fitted.predict import predict
from recommender_training.models.ranker import Ranker
from recommender_training.statistics import calibration
from recommender_training.statistics.calibration import Calibration
from recommender_training.trainer import deep_ranker
from recommender_training.trainer.training_rows import base_rate
from tests.benchmarks.schema_models import THREADS, of_impressions, split_by_days


@dataclass(frozen=True)
class Fitted:
    """A ranker fitted on the training days, and calibrated on the validation days."""

    prepared: PreparedData
    model: Ranker
    calibration: Calibration

    @classmethod
    def of(cls, data: Dataset, seed: int, days: int) -> Fitted:
        """Fit it as a training does."""
        config = TrainingConfig(seed=seed)
        prepared = prepare_split(data, split_by_days(data, days), config)
        model, _ = deep_ranker.fit_deep(prepared, config, THREADS)
        rows, label = held_out(prepared.split), data.events.label
        logits = predict(model, prepared.inputs, torch.from_numpy(rows)).numpy()
        share = base_rate(label, prepared.split.train, None)
        found = calibration.fit(label[rows], logits, data.events.user[rows], share)
        return cls(prepared, model, found)

    def answers(self, tested: pl.DataFrame) -> Doubles:
        """[T] the probabilities of these impressions of the test days."""
        rows = torch.from_numpy(self.prepared.split.test)
        logits = predict(self.model, self.prepared.inputs, rows).numpy()
        found = calibration.probability(self.calibration(logits))
        return of_impressions(self.prepared, found, tested)

    def scores(self, requests: list[ranking_metrics.Request], items: Ints) -> Doubles:
        """[R, C] logits of these items; what was before the test days is known."""
        data, frozen = self.prepared.data, self.prepared.constants
        start = int(data.events.time[self.prepared.split.test[0]])
        state = CatalogueState.at(data, start, frozen.groups)
        known = ranking_metrics.Known(data, frozen, state, self.prepared.history_length)
        return known.scores(requests, items, self._score)

    def _score(self, inputs: Inputs) -> Doubles:
        logits: Doubles = predict(self.model, inputs, torch.arange(len(inputs))).numpy()
        return logits


def without(data: Dataset, name: str) -> Dataset:
    """The data set as if the feature of users or context were not declared."""
    own = next(each for each in data.attributes if each.name == name)
    kept = tuple(each for each in data.attributes if each is not own)
    of_place = [each for each in data.attributes if each.place is own.place]
    start = feature_encoding.starts(of_place)[of_place.index(own)]
    columns = np.s_[start : start + own.width]
    users, events = data.users, data.events
    if own.place is FeatureTable.CONTEXT:
        assert events.context is not None, "it has this feature"
        events = replace(events, context=np.delete(events.context, columns, axis=1))
        return replace(data, attributes=kept, events=events)
    history = users.history
    if history is not None:
        history = replace(history, side=np.delete(history.side, columns, axis=1))
    users = replace(users, side=np.delete(users.side, columns, axis=1), history=history)
    return replace(data, attributes=kept, users=users)
