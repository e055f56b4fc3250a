"""An exported graph on the rows of an evaluation, by what was known before each of them.

A graph carries the item counts, the factors of taste and the retrieval of its whole data version,
which may hold the rows of the evaluation. So its method `judge` is called in place of `forward`:
it reads the counts and the taste numbers before each row, as every model of an evaluation does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.artifact.vocabulary import width
from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.config.feature import Feature
from recommender_training.data import feature_encoding
from recommender_training.data.dataset import Dataset
from recommender_training.data.local_calendar import LocalCalendar
from recommender_training.evaluation import ranking_metrics
from recommender_training.evaluation.predictions import Window
from recommender_training.evaluation.ranking_metrics import Shortlist
from recommender_training.export import torchscript
from recommender_training.export.recalibrated_graph import CalibrationChange
from recommender_training.features import attributes, group_numbers, model_features
from recommender_training.features.assembly import Candidates, Requests
from recommender_training.features.catalogue_state import candidates
from recommender_training.features.event_features import EventParts
from recommender_training.statistics import calibration

_BATCH = 2048
#: Candidates that are scored at a time.
_CANDIDATES = 65_536
_AS_TRAINED = CalibrationChange(1.0, 0.0)


class GraphError(Exception):
    """The graph cannot be evaluated on other rows."""


class ExportedGraph:
    """A loaded graph and its vocabulary (vocabulary.json): what it predicts on a window."""

    def __init__(
        self,
        model: torch.jit.ScriptModule,
        vocabulary: Mapping[str, Any],
        recalibrated: CalibrationChange = _AS_TRAINED,
    ) -> None:
        """`recalibrated` is what was done to its calibration since its training: it is undone.

        Raises GraphError for a graph without `judge`, ValueError for unknown features.
        """
        if not hasattr(model, "judge"):
            raise GraphError("the graph has no method `judge`")
        self._model, self._vocabulary, self._recalibrated = model, vocabulary, recalibrated
        self._ids = np.array(vocabulary["items"]["ids"], dtype=np.int64)
        #: The feature groups whose numbers `judge` reads.
        self._groups = model_features.named_features(getattr(model, "groups", []))
        self._prior = float(model.prior) if self._groups else 0.5

    def _check(self, data: Dataset) -> None:
        """Raise GraphError if the data has no rates of the groups of users that it reads."""
        if FeatureGroup.DEMOGRAPHIC_RATES not in self._groups:
            return
        names = [each["name"] for each in self._vocabulary["features"]]
        own = [names[place] for place in self._model.rated.tolist()]
        present = [data.attributes[place].name for place in attributes.rated(data)]
        if own != present:
            raise GraphError(
                f"it reads rates by {', '.join(own) or 'no feature'}, and the data has them by "
                f"{', '.join(present) or 'none'}: users' features with coldStart have changed; "
                "use judgeBy Value until a version with the new ones is promoted"
            )

    def knows(self, ids: Ints) -> Bools:
        """Mask of the items that it can recommend."""
        return np.isin(ids, self._ids)

    def bonus(self, ids: Ints) -> Floats:
        """[J] bonus of these items, all of which it knows; graphs of early releases have none."""
        if not hasattr(self._model, "bonus"):
            return np.zeros(len(ids), dtype=np.float32)
        bonus: Floats = self._model.bonus.numpy()
        own: Floats = bonus[np.searchsorted(self._ids, ids)] / np.float32(self._recalibrated.slope)
        return own

    def probability(self, window: Window) -> Doubles:
        """[N] of each row, from strictly earlier events."""
        data, rows = window.data, window.rows
        self._check(data)
        since = int(data.events.time[rows[0]])
        length = self._model.history_length
        parts = EventParts.of(data, length, self._groups, self._prior, since)
        batches = np.array_split(rows, max(1, -(-len(rows) // _BATCH)))
        logits = [self.logits(data, *parts.take(batch))[:, 0] for batch in batches]
        return calibration.probability(np.concatenate(logits))

    def scores(self, window: Window, shortlist: Shortlist) -> Doubles:
        """[R, C] logits of the candidates, from what was known before the window."""
        data, known = window.data, window.known
        self._check(data)
        tables = group_numbers.Tables.at(data, window.start) if self._groups else None
        state = replace(known.state, extras=tables)
        length, requests = self._model.history_length, window.task.requests
        found: Doubles = np.empty(shortlist.items.shape)
        for part in ranking_metrics.blocks(len(requests), shortlist.items.shape[1], _CANDIDATES):
            batch = ranking_metrics.together(data, [requests[place] for place in part], length)
            items = shortlist.items[part]
            of = candidates(data, state, self._groups, self._prior, batch, items)
            found[part] = self.logits(data, batch, of)
        return found

    def logits(self, data: Dataset, requests: Requests, candidates: Candidates) -> Doubles:
        """[R, C] calibrated logits of the candidates."""
        sessions, counts = requests.sessions(data.events), candidates.counts
        items = np.where(requests.session < 0, -1, data.items.ids[sessions.item.numpy()])
        side = data.side(requests.user, requests.time, requests.context)
        with torchscript.as_served():
            logits: Tensor = self._model.judge(
                torch.from_numpy(data.users.ids[requests.user][:, None]),
                torch.from_numpy(self._side(data, side)),
                torch.from_numpy(items),
                sessions.time,
                sessions.value,
                torch.from_numpy(requests.time[:, None]),
                torch.from_numpy(data.items.ids[candidates.item]),
                torch.from_numpy(counts.events),
                torch.from_numpy(counts.positives),
                torch.from_numpy(counts.total[:, :1]),
                torch.cat([candidates.taste, candidates.extra], 2),
                data.items.count,
            )
        result: Doubles = logits.numpy().astype(np.float64)
        return self._recalibrated.undone(result)

    def _side(self, data: Dataset, side: Floats) -> Floats:
        """[R, max(F', 1)] values [R, F] as its own vocabulary has them, as the transformer sends
        them. A feature that the data does not have, or has as another kind, is unknown.
        """
        wanted = self._vocabulary["features"]
        starts = feature_encoding.starts(data.attributes)
        places = {each.name: place for place, each in enumerate(data.attributes)}
        span = int(data.events.time[0]), int(data.events.time[-1])
        found = [np.zeros((len(side), 0), dtype=np.float32)]
        for feature in wanted:
            place = places.get(feature["name"])
            unknown = np.full((len(side), width(feature)), np.nan, dtype=np.float32)
            if place is None or not _is_alike(data.attributes[place].feature, feature, span):
                found.append(unknown)
                continue
            own, start = data.attributes[place], starts[place]
            values = side[:, start : start + own.width]
            if not own.banded and not own.length:
                values = _translated(values, own.categories, feature["categories"])
                values = np.sort(values, axis=1)  # those that it does not know are last
            both = min(values.shape[1], unknown.shape[1])
            unknown[:, :both] = values[:, :both]
            found.append(unknown)
        return np.concatenate(found, 1) if wanted else np.full((len(side), 1), np.nan, np.float32)


def _is_alike(own: Feature, feature: Mapping[str, Any], span: tuple[int, int]) -> bool:
    """True if values of a feature of the data are such of one of a vocabulary.

    `span` are the first and the last second of the data's events.
    """
    return (
        own.kind.value == feature["kind"]
        and own.length == feature.get("length")
        # else their buckets hold other categories
        and own.hash_buckets == feature.get("hashBuckets")
        # else it is an age, or a category of another part or time zone
        and _reads_alike(LocalCalendar.of(own), LocalCalendar.read(feature), span)
    )


def _reads_alike(
    own: LocalCalendar | None, known: LocalCalendar | None, span: tuple[int, int]
) -> bool:
    if own is None or known is None:
        return own is known
    # Not their whole rules: a newer time zone database may correct or foresee other years.
    return own.agrees(known, *span)


def _translated(codes: Floats, present: Sequence[str], known: Sequence[str]) -> Floats:
    """[R, W] index in `known` of the categories `present`, by their codes; NaN for none."""
    index = {name: code for code, name in enumerate(known)}
    table = np.array([*(index.get(name, np.nan) for name in present), np.nan], dtype=np.float32)
    places = np.where(np.isnan(codes), len(present), codes).astype(np.int64)
    return np.asarray(table[places])
