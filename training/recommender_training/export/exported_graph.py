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

from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation.answers import Window
from recommender_training.features import attributes, declared, extras
from recommender_training.features.assembly import Candidates, Requests
from recommender_training.features.state import catalogue
from recommender_training.features.table import EventParts
from recommender_training.statistics import calibration

_BATCH = 2048


class GraphError(Exception):
    """The graph cannot be evaluated on other rows."""


class ExportedGraph:
    """A loaded graph and its vocabulary (vocabulary.json): what it predicts on a window."""

    def __init__(self, model: torch.jit.ScriptModule, vocabulary: Mapping[str, Any]) -> None:
        """Raises GraphError for a graph without `judge`, ValueError for unknown features."""
        if not hasattr(model, "judge"):
            raise GraphError("the graph has no method `judge`")
        self._model, self._vocabulary = model, vocabulary
        self._ids = np.array(vocabulary["items"]["ids"], dtype=np.int64)
        #: The feature groups whose numbers `judge` reads; graphs of early releases have none.
        self._groups = declared.named(getattr(model, "groups", []))
        self._prior = float(model.prior) if self._groups else 0.5

    def knows(self, ids: Ints) -> Bools:
        """Which of these items it can recommend."""
        return np.isin(ids, self._ids)

    def bonus(self, ids: Ints) -> Floats:
        """[J] bonus of these items, all of which it knows; graphs of early releases have none."""
        if not hasattr(self._model, "bonus"):
            return np.zeros(len(ids), dtype=np.float32)
        bonus: Floats = self._model.bonus.numpy()
        return bonus[np.searchsorted(self._ids, ids)]

    def probability(self, window: Window) -> Doubles:
        """[N] of each row, from strictly earlier events."""
        data, rows = window.data, window.rows
        since = int(data.events.time[rows[0]])
        length = self._model.history_length
        parts = EventParts.of(data, length, self._groups, self._prior, since)
        batches = np.array_split(rows, max(1, -(-len(rows) // _BATCH)))
        logits = [self.logits(data, *parts.take(batch))[:, 0] for batch in batches]
        return calibration.probability(np.concatenate(logits))

    def catalogue_logits(self, window: Window) -> Doubles:
        """[R, I] of each request, from what was known before the window."""
        data, start = window.data, int(window.data.events.time[window.rows[0]])
        tables = extras.Tables.at(data, start) if self._groups else None
        state = replace(window.state, extras=tables)
        logits = np.empty((len(window.task.requests), data.items.count))
        for row, request in enumerate(window.task.requests):
            session = request.session[-self._model.history_length :]
            single = Requests.one(request.user, request.time, session, max(1, len(session)))
            candidates = catalogue(data, state, self._groups, self._prior, single)
            logits[row] = self.logits(data, single, candidates)[0]
        return logits

    def logits(self, data: Dataset, requests: Requests, candidates: Candidates) -> Doubles:
        """[R, C] calibrated logits of the candidates."""
        sessions, counts = requests.sessions(data.events), candidates.counts
        items = np.where(requests.session < 0, -1, data.items.ids[sessions.item.numpy()])
        with torch.inference_mode():
            logits: Tensor = self._model.judge(
                torch.from_numpy(data.users.ids[requests.user][:, None]),
                torch.from_numpy(self._side(data, requests.user)),
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
        return result

    def _side(self, data: Dataset, user: Ints) -> Ints:
        """[R, K] attributes as codes of its own vocabulary, as the transformer sends them."""
        side = data.users.side[user].copy()
        for place, attribute in enumerate(attributes.of_users(data.users)):
            if attribute.listed is not None:
                known = self._vocabulary[attribute.listed]
                side[:, place] = _translation(attribute.categories, known)[side[:, place]]
        return side


def _translation(present: Sequence[str], known: Sequence[str]) -> Ints:
    """[P + 1] index in `known` of each name; -1 stays -1, as the last element."""
    index = {name: code for code, name in enumerate(known)}
    return np.array([*(index.get(name, len(known)) for name in present), -1], dtype=np.int64)
