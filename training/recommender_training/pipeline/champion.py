"""The champion on the rows of a new evaluation: its own weights, and what was known before each.

Its exported graph is replayed on the rows of the window (`export.exported_graph`). Lists
are ordered with the window's own retrieval. That makes up for what the champion lost with its age:
weights are compared with weights.

Its ranker learned from other fits of the factors, but reads no factor: the taste numbers are an
expected value and its parts, in units of an event's value, each from session and item of one fit.
Turning the factors changes none of them, so those of another fit mean the same (as they have to
within one training, whose rows see many fits).

A recalibration of the champion is undone: it mends what stale counts did to its probabilities,
and here all counts are fresh. So it is compared as the network that was trained, and its metrics,
which it has from its training, are of the same one.

Nothing is trained on the champion here, so whatever is wrong with it is reported and fails no
training.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from recommender_training.artifact import manifest, triton
from recommender_training.common.arrays import Floats
from recommender_training.evaluation.predictions import TOP_K, Answers, Window
from recommender_training.export import torchscript
from recommender_training.export.exported_graph import ExportedGraph, GraphError
from recommender_training.export.recalibrated_graph import CalibrationChange
from recommender_training.fitted.order_weights import OrderWeights
from recommender_training.pipeline.fit_order import order_in

#: Most characters of a reason about the version before it: the report has no more room for it.
MOST_BESIDE = 100


class ChampionError(Exception):
    """The champion cannot be evaluated; the text states why, and what follows."""


@dataclass(frozen=True)
class Champion:
    """A published version: its graph and its report."""

    graph: ExportedGraph
    report: Mapping[str, Any]

    @classmethod
    def load(cls, artifact: Path, digest: str) -> Champion:
        """Verify every file, then load the graph, which holds no arbitrary pickle.

        Raises ChampionError, InputError `ArtifactInvalid`, and what a broken file raises.
        """
        manifest.verify_artifact(artifact, digest)
        vocabulary = json.loads((artifact / "vocabulary.json").read_text())
        report = json.loads((artifact / "report.json").read_text())
        model = torchscript.load(triton.model_path(artifact))
        try:
            undone = CalibrationChange.since_training(report)
            return cls(ExportedGraph(model, vocabulary, undone), report)
        except GraphError as error:
            raise ChampionError(
                "its graph cannot be evaluated on other rows: it was exported by an earlier "
                "release, or has an injected fault; use judgeBy Value until a newer version is "
                "promoted"
            ) from error

    def answers(self, window: Window) -> Answers:
        """Its answers on a window, in its own order; raises ChampionError if one is not finite."""
        window = self._ordered(window)
        probability = self.graph.probability(window)
        added = self._added(window)
        shortlist = window.shortlist(added)
        top = shortlist.best(self.graph.scores(window, shortlist), TOP_K)
        if not np.isfinite(probability).all():
            raise ChampionError("its probabilities are not finite")
        pools = window.pools(self.graph.scores, added)
        return Answers(window.of_rows(probability), top, pools=pools)

    def _ordered(self, window: Window) -> Window:
        order, repeat_after = order_in(self.report)
        if order is None:  # of an earlier release
            shown = window.data.label is not None and window.data.label.of_shown_items
            order = OrderWeights.start(window.sources.plan, shown=shown)
        return window.ordered_by(order, repeat_after)

    def saw(self, window: Window) -> int | None:
        """Rows of the window that it was fitted on; None if its report does not state it."""
        windows = self.report.get("windows", {})
        if "testStart" not in windows:
            return None
        until = datetime.datetime.fromisoformat(windows["testStart"]).timestamp()
        return int((window.data.events.time[window.rows] < until).sum())

    def unknown_items(self, window: Window) -> int:
        """Rows of the window whose item it does not know."""
        return int((~self.graph.knows(window.data.items.ids[window.item])).sum())

    def _added(self, window: Window) -> Floats:
        """[I] its bonus. It cannot recommend an item that it does not know."""
        ids = window.data.items.ids
        known = self.graph.knows(ids)
        added = np.full(len(ids), -np.inf, dtype=np.float32)
        added[known] = self.graph.bonus(ids[known])
        return added


class Beside(Protocol):
    """The version before the champion, and its facts beside those of the champion."""

    @property
    def digest(self) -> str:
        """Of its artifact."""
        ...

    def __call__(self, champion: Champion, answers: Answers, window: Window) -> dict[str, Any]:
        """Return the facts, or why there are none (`message`)."""
        ...


class Comparison:
    """One comparison with the champion; `facts` are its outcome (docs/contracts.md)."""

    def __init__(self, artifact: Path, digest: str, beside: Beside | None = None) -> None:
        self._artifact = artifact
        self._digest = digest
        self._beside = beside
        self.source = artifact, digest
        self.facts: dict[str, Any] = {"digest": digest, "compared": False}

    def __call__(self, window: Window) -> Answers | None:
        """The champion's answers; None, with the reason in `facts`, where there are none."""
        try:
            champion = Champion.load(self._artifact, self._digest)
            answers = champion.answers(window)
            self.facts |= {
                "compared": True,
                "sawTestRows": champion.saw(window),
                "unknownItemRows": champion.unknown_items(window),
            }
        except Exception as error:
            # Whatever is wrong with it is no fault of this training; gates read the facts.
            self.facts = {"digest": self._digest, "compared": False, "message": reason(error)}
            if self._beside is not None:
                why = f"the champion has no answers: {reason(error)}"[:MOST_BESIDE]
                self.facts["previous"] = {"digest": self._beside.digest, "message": why}
            return None
        if self._beside is not None:
            self.facts["previous"] = self._beside(champion, answers, window)
        return answers


def reason(error: Exception, most: int = 300) -> str:
    """The reason of a failure, in so many characters at most."""
    named = isinstance(error, ChampionError)
    return _short(str(error) if named else f"{type(error).__name__}: {error}")[:most]


def _short(text: str) -> str:
    """At most 300 characters, each of one byte in JSON: the report has no more room for it."""
    words = " ".join(text.split()).replace('"', "'").replace("\\", "/")
    return "".join(letter if " " <= letter <= "~" else "?" for letter in words)[:300]
