"""The log of a generated shop, and how far models stay behind its true probabilities."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender_examples.shop_settings import Settings
from recommender_examples.shop_world import DAY_MS, START_MS
from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.statistics import bootstrap, known_truth

#: The last days of the log: to choose with, and to test on.
VALIDATION_DAYS, TEST_DAYS = 3, 5


@dataclass(frozen=True)
class Logged:
    """All impressions of a shop by time, and the probability with which each was clicked."""

    log: pl.DataFrame
    truth: Doubles  # [N]
    day: Ints  # [N]
    days: int

    @classmethod
    def read(cls, folder: Path, settings: Settings) -> Logged:
        """From the files of `samples.shop`."""
        log, truth = (
            pl.read_parquet(folder / name / "impressions/*.parquet").sort("time", "impression_id")
            for name in ("raw", "truth")
        )
        day = ((log["time"].dt.epoch("ms") - START_MS) // DAY_MS).to_numpy()
        return cls(log, truth["probability"].to_numpy(), day, settings.days)

    @property
    def train(self) -> Bools:
        """[N] the rows to fit on."""
        return self.day < self.days - TEST_DAYS - VALIDATION_DAYS

    @property
    def test(self) -> Bools:
        """[N] the rows of the last days."""
        return self.day >= self.days - TEST_DAYS

    @property
    def tested(self) -> pl.DataFrame:
        """The rows of the last days."""
        return self.log.filter(pl.Series(self.test))

    @property
    def label(self) -> Bools:
        """[T] whether each row of the last days was clicked."""
        return self.tested["clicked"].to_numpy()

    @property
    def user(self) -> Ints:
        """[T] the number of the user of each row of the last days."""
        return self.tested["user_id"].rank("dense").to_numpy().astype(np.int64)

    @property
    def true(self) -> Doubles:
        """[T] the probability of each row of the last days."""
        return self.truth[self.test]

    def counts(self) -> dict[str, int]:
        """How many rows and clicks there are."""
        return {
            "rows": self.log.height,
            "positives": int(self.log["clicked"].sum()),
            "test_rows": len(self.label),
            "test_positives": int(self.label.sum()),
        }


def gaps(truth: Doubles, answers: Mapping[str, Doubles]) -> dict[str, float]:
    """AUC of the truth [T] less that of each model's answers [T], whichever rows were clicked."""
    best = known_truth.expected_auc(truth, truth)
    return {
        model: round(best - known_truth.expected_auc(truth, found), 4)
        for model, found in answers.items()
    }


def interval(truth: Doubles, answers: Doubles, user: Ints) -> tuple[float, float] | None:
    """95 % interval of a model's gap, by resampling the users of the rows [T]."""
    drawn = bootstrap.draw(user)
    place = drawn.place(user)
    found = np.empty(len(drawn))
    for number, count in enumerate(drawn.weight):
        weight = count[place].astype(np.float64)
        found[number] = known_truth.expected_auc(truth, truth, weight)
        found[number] -= known_truth.expected_auc(truth, answers, weight)
    return bootstrap.interval(drawn, found)


def by_rows(told: Sequence[Mapping[str, Any]], wanted: Sequence[int]) -> dict[str, Any]:
    """Median, least and most over the seeds of the gap of each model, by wanted impressions."""
    found: dict[str, Any] = {}
    for rows in wanted:
        each = [one["auc_gap"] for one in told if one["impressions"] == rows]
        found[str(rows)] = {
            model: {
                "median": statistics.median(gap[model] for gap in each),
                "least": min(gap[model] for gap in each),
                "most": max(gap[model] for gap in each),
            }
            for model in each[0]
        }
    return found
