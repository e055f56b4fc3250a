"""Objectives that cost nothing, for searches in this process and in processes of their own."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recommender_contract.resource.search import Sampler, SearchRange, SearchSpec
from recommender_training.config.search_space import Dimension, Params, dimensions
from recommender_training.config.training import Hyperparameters
from recommender_training.search.study import Objective, Plan, Report

#: A search that takes two seconds.
SEARCH_CONFIG: dict[str, Any] = {
    "seed": 3,
    "hyperparameters": {"epochs": 2, "embeddingDim": 8, "batchSize": 256},
    "search": {
        "trials": 3, "folds": 2, "seeds": 2,
        "space": {"learningRate": {}, "embeddingDim": {"choices": [8, 4]}},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Searched:
    """A staged artifact of a training that began with a search."""

    lake: Path
    data_version: str
    staged: Path
    digest: str
    report: dict[str, Any]

    @property
    def found(self) -> dict[str, Any]:
        return dict(self.report["search"])


RANGES = {"learningRate": SearchRange(), "dropout": SearchRange(), "embeddingDim": SearchRange()}


def space() -> tuple[Dimension, ...]:
    return dimensions(RANGES, Hyperparameters())


def plan(
    sampler: Sampler = Sampler.TPE,
    trials: int = 12,
    *,
    seconds: int | None = None,
    parallelism: int = 1,
    pruning: bool = True,
    first: Params | None = None,
    seed: int = 17,
) -> Plan:
    settings = SearchSpec(
        sampler=sampler, trials=trials, seconds=seconds, parallelism=parallelism, pruning=pruning
    )
    return Plan(settings, space(), seed, first)


def bowl(params: Params) -> float:
    """Least at dropout 0.2 and embeddingDim 32."""
    return 0.5 + (params["dropout"] - 0.2) ** 2 + (params["embeddingDim"] != 32) * 0.02


def judge(params: Params, report: Report) -> list[float]:
    """Two folds, each looked at once."""
    loss = bowl(params)
    report(1, loss)
    report(1_000_001, loss)
    return [loss - 0.01, loss + 0.01]


class Judge:
    """Makes `judge`."""

    def __call__(self) -> Objective:
        return judge


@dataclass(frozen=True)
class Deadly:
    """Kills its own process in the first trial of all; `marker` is left behind by the kill."""

    marker: Path

    def __call__(self) -> Objective:
        return self._judge

    def _judge(self, params: Params, report: Report) -> list[float]:
        report(1, bowl(params))
        try:
            self.marker.touch(exist_ok=False)
        except FileExistsError:
            return judge(params, report)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("not reached")


class Unusable:
    """A worker that cannot even begin."""

    def __call__(self) -> Objective:
        raise SystemExit(3)
