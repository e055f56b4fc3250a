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
from dataclasses import replace
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
from recommender_training.features import attributes, declared, extras
from recommender_training.features.assembly import Candidates, Requests
from recommender_training.features.state import catalogue
from recommender_training.features.table import EventParts
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
        data, rows = judged.data, judged.rows
        since = int(data.events.time[rows[0]])
        length = self._model.history_length
        parts = EventParts.of(data, length, self._groups, self._prior, since)
        batches = np.array_split(rows, max(1, -(-len(rows) // _BATCH)))
        logits = [self._logits(data, *parts.take(batch))[:, 0] for batch in batches]
        return calibration.probability(np.concatenate(logits))

    def catalogue_logits(self, judged: Window) -> Doubles:
        """[R, I] of each request, from what was known before the window."""
        data, start = judged.data, int(judged.data.events.time[judged.rows[0]])
        tables = extras.Tables.at(data, start) if self._groups else None
        state = replace(judged.state, extras=tables)
        logits = np.empty((len(judged.task.requests), data.items.count))
        for row, request in enumerate(judged.task.requests):
            session = request.session[-self._model.history_length :]
            asked = Requests.one(request.user, request.time, session, max(1, len(session)))
            candidates = catalogue(data, state, self._groups, self._prior, asked)
            logits[row] = self._logits(data, asked, candidates)[0]
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

    def _logits(self, data: Dataset, requests: Requests, candidates: Candidates) -> Doubles:
        """[R, C] calibrated logits of the candidates."""
        sessions, counts = requests.sessions(data.events), candidates.counts
        seen = np.where(requests.session < 0, -1, data.items.ids[sessions.item.numpy()])
        with torch.inference_mode():
            logits: Tensor = self._model.judge(
                torch.from_numpy(data.users.ids[requests.user][:, None]),
                torch.from_numpy(self._side(data, requests.user)),
                torch.from_numpy(seen),
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
        """[B, K] attributes in the champion's own indices, as the transformer sends them."""
        side = data.users.side[user].copy()
        for place, attribute in enumerate(attributes.of_users(data.users)):
            if attribute.listed is not None:
                known = self._vocabulary[attribute.listed]
                side[:, place] = _translation(attribute.categories, known)[side[:, place]]
        return side


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
