"""Run a search and choose a configuration, the first step of `train` and `search`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recommender_training.common.code_version import code_version
from recommender_training.common.durable_files import canonical_json
from recommender_training.common.progress import say
from recommender_training.config import search_space
from recommender_training.config.training import TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.data.splits import Split
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.search import folds, results, seeds, workers
from recommender_training.search.objective import FoldLoss, FromLake, Source
from recommender_training.search.study import Objective, Outcome, Plan

#: Settings of the budget, which do not change the result of a trial.
_BUDGET = {"trials", "seconds", "parallelism", "seeds"}


@dataclass(frozen=True)
class Choice:
    """A finished search."""

    config: TrainingConfig  # with the chosen hyperparameters
    plan: Plan
    folds: tuple[Split, ...]
    outcomes: tuple[Outcome, ...]
    journal: Path

    def report(
        self, prepared: PreparedData, bundle: Bundle | None, threads: int
    ) -> dict[str, dict[str, Any]]:
        """Return the section `search` of report.json, with its name as the key.

        Fits the chosen configuration with further seeds and evaluates them on the validation
        window. `bundle` has the fit with the configuration's own seed, if available.
        """
        first = None
        if bundle is not None and bundle.deep is not None:
            first = (bundle.deep, bundle.log)
        count = self.plan.settings.seeds
        found = seeds.spread(prepared, self.config, count, threads, first)
        return {"search": results.section(self.plan, self.folds, self.outcomes, found)}

    def forget(self) -> None:
        """Remove the journal; the report keeps the results."""
        for path in self.journal.parent.glob(f"{self.journal.stem}.*"):
            path.unlink(missing_ok=True)


def choose_configuration(
    source: Source, data: Dataset, config: TrainingConfig, folder: Path, threads: int
) -> Choice:
    """Search with the settings `config.search`, with the journal in `folder`.

    `data` is the data set of `source`; its test window is not used. Resumes an earlier search with
    the same settings in this folder. Raises InputError: TooFewRows, InvalidConfig, or SearchFailed
    if no trial was completed.
    """
    settings = config.search
    assert settings is not None
    parts, known = folds.of_past(data, settings.folds)
    space = search_space.dimensions(settings.space, config.hyperparameters)
    first = search_space.inside(space, config.hyperparameters)
    plan = Plan(settings, space, config.seed, first)
    journal = folder / f"{_identity(source, config, threads)}.journal"
    names = ", ".join(dimension.name for dimension in space)
    say(f"search: {settings.sampler.value} over {names}; {len(parts)} folds; journal {journal}")

    def objective() -> Objective:
        return FoldLoss(known, parts, config, threads)

    in_process = settings.parallelism == 1
    factory = objective if in_process else FromLake(source, config, settings.folds, threads)
    outcomes = workers.search_in_workers(journal, plan, factory)
    found = results.best(outcomes)
    say(f"search: chose trial {found.index}, log loss {found.loss:.4f}: {found.params}")
    chosen = config.model_copy(
        update={"hyperparameters": search_space.apply(config.hyperparameters, found.params)}
    )
    return Choice(chosen, plan, parts, outcomes, journal)


def _identity(source: Source, config: TrainingConfig, threads: int) -> str:
    """Return 16 hex digits of all that a loss depends on, which name the journal."""
    settings = config.model_dump(mode="json", by_alias=True)
    settings["search"] = {k: v for k, v in settings["search"].items() if k not in _BUDGET}
    content = {
        "config": settings,
        "dataVersion": source.data_version,
        "windowDays": source.window_days,
        "codeVersion": code_version(),
        "threads": threads,
    }
    return hashlib.sha256(canonical_json(content)).hexdigest()[:16]
