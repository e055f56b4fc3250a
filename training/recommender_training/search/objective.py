"""The objective of a trial: the deep ranker's validation log loss, fold by fold.

Only events before the test window are used; later ones are removed before any feature is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_training.common.progress import silence
from recommender_training.config import search_space
from recommender_training.config.search_space import Params
from recommender_training.config.training import TrainingConfig
from recommender_training.data import load
from recommender_training.data.dataset import Dataset
from recommender_training.data.splits import Split
from recommender_training.features.prepared_data import PreparedData, prepare_split
from recommender_training.fitted.bundle import FitLog
from recommender_training.search import folds
from recommender_training.search.study import Objective, Report
from recommender_training.trainer.deep_ranker import fit_deep

#: Offset of the steps of a fold, above the number of evaluations of any fit.
FOLD_STEPS = 1_000_000


@dataclass(frozen=True)
class Source:
    """Lake, data version and window of a search."""

    lake: Path
    data_version: str
    window_days: int | None


class FoldLoss:
    """Fits a configuration on each fold and returns the losses."""

    def __init__(
        self, data: Dataset, parts: Sequence[Split], config: TrainingConfig, threads: int
    ) -> None:
        """Prepare the folds `parts` of `data`, each without the events after its end."""
        self._parts, self._config, self._threads = parts, config, threads
        self._data = [folds.past(data, part.test_start) for part in parts]
        self._built: dict[int, PreparedData] = {}

    def __call__(self, params: Params, report: Report) -> list[float]:
        """Return the loss of each fold. A step reports the mean of the best losses so far."""
        config = self._config.model_copy(
            update={"hyperparameters": search_space.apply(self._config.hyperparameters, params)}
        )
        losses: list[float] = []
        with silence(), threadpool_limits(limits=self._threads):
            for number in range(len(self._parts)):

                def watch(log: FitLog, number: int = number) -> None:
                    step = number * FOLD_STEPS + len(log.looks)
                    report(step, fmean([*losses, log.best_loss]))

                prepared = self._prepared(number, config)
                _, log = fit_deep(prepared, config, self._threads, watch)
                losses.append(log.best_loss)
        return losses

    def _prepared(self, number: int, config: TrainingConfig) -> PreparedData:
        """Return the inputs of a fold, cached until a trial has another history length."""
        built = self._built.get(number)
        if built is None or built.history_length != config.hyperparameters.history_length:
            built = prepare_split(self._data[number], self._parts[number], config)
            self._built[number] = built
        return built


@dataclass(frozen=True)
class FromLake:
    """Creates the objective in a worker process, which reads the data version itself."""

    source: Source
    config: TrainingConfig
    folds: int
    threads: int

    def __call__(self) -> Objective:
        """Return the objective of this process."""
        source = self.source
        _, data = load.load_dataset(source.lake, source.data_version, source.window_days)
        parts, known = folds.of_past(data, self.folds)
        return FoldLoss(known, parts, self.config, self.threads)
