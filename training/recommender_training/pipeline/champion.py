"""The champion on the rows of a new evaluation: its own weights, and what was known before each.

Its exported graph carries item counts, taste factors and retrieval of its whole data version,
which may hold the rows that are judged here. So it is not asked to serve but to `judge`: with the
counts and the taste numbers before each row, as every model of an evaluation. Lists are ordered
with the window's own retrieval. That takes from the champion what it lost by growing old: weights
are compared with weights.

Its ranker learned from other fits of the factors, but reads no factor: the taste numbers are an
expected value and its parts, in units of an event's value, each from session and item of one fit.
Turning the factors changes none of them, so those of another fit mean the same (as they have to
within one training, whose rows see many fits).

Nothing of it is trained on here, so whatever is wrong with it is told and fails no training.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from recommender_training.artifact import manifest, triton
from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation.answers import Answers, Window
from recommender_training.export import torchscript
from recommender_training.features import declared, extras, graph, history, taste
from recommender_training.features.history import ItemCounts
from recommender_training.statistics import calibration

_BATCH = 2048


class ChampionError(Exception):
    """The champion cannot be judged; the text says why, and what follows."""


class Champion:
    """A published version, verified and loaded."""

    def __init__(self, artifact: Path, digest: str) -> None:
        """Verify every file, then load the graph, which holds no arbitrary pickle.

        Raises ChampionError, InputError `ArtifactInvalid`, and what a broken file raises.
        """
        manifest.verify(artifact, digest)
        self._vocabulary = json.loads((artifact / "vocabulary.json").read_text())
        self._report = json.loads((artifact / "report.json").read_text())
        self._model = torchscript.load(triton.model_path(artifact))
        if not hasattr(self._model, "judge"):
            raise ChampionError(
                "its graph cannot be judged on other rows: it was exported by a release before "
                "this, or has an injected fault; judge by Value until a newer version is promoted"
            )
        self._read_groups()

    @classmethod
    def of(cls, model: torch.jit.ScriptModule, vocabulary: dict[str, Any]) -> Self:
        """The same for a graph of this training, which was not published."""
        one = cls.__new__(cls)
        one._model, one._vocabulary, one._report = model, vocabulary, {}
        one._read_groups()
        return one

    def _read_groups(self) -> None:
        """The feature groups whose numbers `judge` is given; older graphs have none."""
        self._groups = declared.named(getattr(self._model, "groups", []))
        self._prior = float(self._model.prior) if self._groups else 0.5

    def answers(self, judged: Window) -> Answers:
        """Its answers on a window; raises ChampionError if one is not finite."""
        said = Answers(self.probability(judged), self._top(judged))
        assert said.probability is not None
        if not np.isfinite(said.probability).all():
            raise ChampionError("it answers probabilities that are no finite numbers")
        return said

    def saw(self, judged: Window) -> int | None:
        """Rows of the window that it was fitted on; None if its report does not tell."""
        windows = self._report.get("windows", {})
        if "testStart" not in windows:
            return None
        until = datetime.datetime.fromisoformat(windows["testStart"]).timestamp()
        return int((judged.data.events.time[judged.rows] < until).sum())

    def unknown_items(self, judged: Window) -> int:
        """Rows of the window whose item it has never heard of."""
        return int((~self._knows(judged.data.items.ids[judged.item])).sum())

    def _knows(self, ids: Ints) -> Bools:
        return np.isin(ids, np.array(self._vocabulary["items"]["ids"], dtype=np.int64))

    def probability(self, judged: Window) -> Doubles:
        """[N] of each row, from strictly earlier events."""
        events = judged.data.events
        past = history.Histories.of(events)
        session = past.before(judged.rows, self._model.history_length)
        before = history.counts_before(events)
        counts = before.take(judged.rows)
        count = judged.data.items.count
        tastes = taste.rolling(events, session, count, rows=judged.rows)
        groups = extras.OfEvents.of(judged.data, self._groups, self._prior, before)
        numbers = groups.take(judged.rows)
        given = torch.cat([tastes, numbers], 1)
        parts = np.array_split(np.arange(len(judged.rows)), max(1, -(-len(judged.rows) // _BATCH)))
        logits = [
            self._logits(
                judged.data,
                judged.user[part],
                session[part],
                events.time[judged.rows[part]],
                judged.item[part][:, None],
                _column(counts.take(part)),
                given[torch.from_numpy(part)].unsqueeze(1),
            )[:, 0]
            for part in parts
        ]
        return calibration.probability(np.concatenate(logits))

    def catalogue_logits(self, judged: Window) -> Doubles:
        """[R, I] of each request, from what was known before the window."""
        data, count = judged.data, judged.data.items.count
        everything = np.arange(count, dtype=np.int64)[None, :]
        logits = np.empty((len(judged.task.requests), count))
        start = int(data.events.time[judged.rows[0]])
        tables = extras.Tables.at(data, start) if self._groups else None
        for row, request in enumerate(judged.task.requests):
            session = request.session[-self._model.history_length :]
            padded = np.full((1, max(1, len(session))), -1, dtype=np.int64)
            padded[0, padded.shape[1] - len(session) :] = session
            user, now = np.array([request.user]), np.array([request.time])
            counts = ItemCounts(
                judged.counts.events[None, :],
                judged.counts.positives[None, :],
                judged.counts.total[None, :1],
            )
            told = extras.of_catalogue(
                data, self._groups, self._prior, judged.counts, tables,
                request.user, request.time,
            )  # fmt: skip
            given = torch.cat([_catalogue_taste(judged, padded), told[None]], 2)
            logits[row] = self._logits(data, user, padded, now, everything, counts, given)[0]
        return logits

    def _top(self, judged: Window) -> Ints:
        """[R, K] its lists. What it does not know it cannot recommend."""
        logits = self.catalogue_logits(judged)
        known = self._knows(judged.data.items.ids)
        logits[:, ~known] = -np.inf
        if hasattr(self._model, "bonus"):  # in no artifact of before
            own = np.array(self._vocabulary["items"]["ids"], dtype=np.int64)
            place = np.searchsorted(own, judged.data.items.ids[known])
            logits[:, known] += self._model.bonus.numpy()[place]
        return judged.best(logits)

    def _logits(
        self,
        data: Dataset,
        user: Ints,
        session: Ints,
        now: Ints,
        item: Ints,
        counts: ItemCounts,
        given: Tensor,
    ) -> Doubles:
        """[B, C] calibrated logits. `user` and `now` are [B], `item` and `counts` [B, C].

        `session` [B, L] are rows of the events, -1 for padding; `given` is [B, C, T + E].
        """
        events, at = data.events, np.maximum(session, 0)
        empty = session < 0

        def told(values: Any, padding: float) -> Tensor:
            return torch.from_numpy(np.where(empty, padding, values).astype(values.dtype))

        with torch.inference_mode():
            logits: Tensor = self._model.judge(
                torch.from_numpy(data.users.ids[user][:, None]),
                torch.from_numpy(self._side(data, user)),
                told(data.items.ids[events.item[at]], -1),
                told(events.time[at], 0),
                told(events.value[at], 0.0),
                torch.from_numpy(now[:, None]),
                torch.from_numpy(data.items.ids[item]),
                torch.from_numpy(counts.events),
                torch.from_numpy(counts.positives),
                torch.from_numpy(counts.total),
                given,
                data.items.count,
            )
        result: Doubles = logits.numpy().astype(np.float64)
        return result

    def _side(self, data: Dataset, user: Ints) -> Ints:
        """[B, 3] side features in the champion's own indices, as the transformer sends them."""
        side = data.users.side[user].copy()
        for column, present, known in (
            (1, data.users.genders, self._vocabulary["genders"]),
            (2, data.users.occupations, self._vocabulary["occupations"]),
        ):
            side[:, column] = _translation(present, known)[side[:, column]]
        return side


def _catalogue_taste(judged: Window, session: Ints) -> Tensor:
    """[B, I, T] taste numbers of all items, from the factors before the window.

    `session` [B, L] are rows of the events, -1 for padding.
    """
    events, at = judged.data.events, np.maximum(session, 0)
    centre, bias, factors = judged.state.taste.tensors()
    vector = graph.taste_vector(
        torch.from_numpy(events.item[at]),
        torch.from_numpy(session >= 0),
        torch.from_numpy(events.value[at]),
        centre,
        bias,
        factors,
    )
    return graph.taste_numbers(vector.unsqueeze(1), bias, factors)


class Comparison:
    """One comparison with the champion; `facts` say what became of it (docs/contracts.md)."""

    def __init__(self, artifact: Path, digest: str) -> None:
        self._artifact = artifact
        self._digest = digest
        self.source = artifact, digest
        self.facts: dict[str, Any] = {"digest": digest, "compared": False}

    def __call__(self, judged: Window) -> Answers | None:
        """The champion's answers; None, with the reason in `facts`, where there are none."""
        try:
            champion = Champion(self._artifact, self._digest)
            said = champion.answers(judged)
            self.facts |= {
                "compared": True,
                "sawTestRows": champion.saw(judged),
                "unknownItemRows": champion.unknown_items(judged),
            }
        except Exception as error:
            # Whatever is wrong with it is no fault of this training, and gates are told.
            named = isinstance(error, ChampionError)
            text = str(error) if named else f"{type(error).__name__}: {error}"
            self.facts = {"digest": self._digest, "compared": False, "message": _short(text)}
            return None
        return said


def _short(text: str) -> str:
    """At most 300 characters, each of one byte in JSON: the report has no more room for it."""
    words = " ".join(text.split()).replace('"', "'").replace("\\", "/")
    return "".join(letter if " " <= letter <= "~" else "?" for letter in words)[:300]


def _translation(present: Sequence[str], known: Sequence[str]) -> Ints:
    """[P + 1] index in `known` of each name; -1 stays -1, as the last element."""
    index = {name: code for code, name in enumerate(known)}
    return np.array([*(index.get(name, len(known)) for name in present), -1], dtype=np.int64)


def _column(counts: ItemCounts) -> ItemCounts:
    return ItemCounts(counts.events[:, None], counts.positives[:, None], counts.total[:, None])
