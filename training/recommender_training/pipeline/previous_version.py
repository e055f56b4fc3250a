"""The version before the champion, on the rows that neither of the two was fitted on.

Asked for while the champion's loss on its served labels is over the limit: whether going back
would help is not obvious, because what users want now is new to both. So both answer the same
labelled rows, and one that was fitted on them is not praised for it. Each is the network that was
trained, with the counts of items before each row; what an artifact loses by its own counts is not
part of it (docs/adr/0071).

Nothing is trained on either, so whatever is wrong is reported and fails no training.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.evaluation.predictions import Answers, Window
from recommender_training.pipeline.champion import MOST_BESIDE, Champion, ChampionError, reason
from recommender_training.statistics import bootstrap, model_metrics

#: Level of the interval: 1 % on each side. The default of `retrain.drift.alpha`, which does not
#: change it.
LEVEL = 0.98


@dataclass(frozen=True)
class Previous:
    """A published version to compare the champion with."""

    artifact: Path
    digest: str

    def __call__(self, champion: Champion, answers: Answers, window: Window) -> dict[str, Any]:
        """Return the losses of the two on the same rows, or the reason for none.

        Args:
            answers: those of the champion on the window.
        """
        try:
            own = Champion.load(self.artifact, self.digest)
            _same_label(window, champion, own)
            probability = window.of_rows(own.graph.probability(window))
            if answers.probability is None or not np.isfinite(probability).all():
                raise ChampionError("its probabilities are not finite")
            since = max(_fitted_until(each) for each in (champion, own))
            rows = window.data.events.time[window.rows] >= since
            found = compare_previous(
                window.label[rows], window.user[rows], answers.probability[rows], probability[rows]
            )
            times = window.data.events.time[window.rows][rows]
            return {"digest": self.digest, **found, **_span(times)}
        except Exception as error:
            return {"digest": self.digest, "message": reason(error, MOST_BESIDE)}


def compare_previous(
    label: Bools, user: Ints, champion: Doubles, previous: Doubles
) -> dict[str, Any]:
    """Return log losses and areas of two versions on rows [N], and the interval of what the log
    loss of the champion is beyond that of the previous version, over users.

    Raises ChampionError without rows of both classes, or with too few users for an interval.
    """
    if not len(label):
        raise ChampionError("no row of the test window is later than both trainings")
    theirs, own = model_metrics.auc(label, champion), model_metrics.auc(label, previous)
    if theirs is None or own is None:
        raise ChampionError(f"all {len(label)} rows that are later than both have one label")
    losses, lower = (
        model_metrics.log_losses(label, champion),
        model_metrics.log_losses(label, previous),
    )
    users, ends = len(np.unique(user)), bootstrap.of_mean(losses - lower, user, level=LEVEL)
    if ends is None:
        raise ChampionError(f"{users} users are too few for an interval")
    return {
        "rows": len(label),
        "users": users,
        "logLoss": round(float(lower.mean()), 6),
        "championLogLoss": round(float(losses.mean()), 6),
        "gainLow": round(ends[0], 6),
        "gainHigh": round(ends[1], 6),
        "auc": round(own, 6),
        "championAuc": round(theirs, 6),
    }


def _same_label(window: Window, *versions: Champion) -> None:
    """Raise ChampionError if a version predicts another label than these rows have."""
    rule = window.data.declared_label
    if any(each.report.get("label", {}).get("declared") != rule for each in versions):
        raise ChampionError("the declared label has changed since one of the trainings")


def _fitted_until(version: Champion) -> float:
    """Return the time of the first row that a version was not fitted on."""
    start = version.report.get("windows", {}).get("testStart")
    if start is None:
        raise ChampionError("a report does not tell which rows its training saw")
    return datetime.datetime.fromisoformat(start).timestamp()


def _span(times: Ints) -> dict[str, str]:
    first, last = (
        datetime.datetime.fromtimestamp(int(each), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for each in (times.min(), times.max())
    )
    return {"since": first, "until": last}
