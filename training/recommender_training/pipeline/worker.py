"""What all processes but the first do of a training: the same fits, and nothing else."""

from __future__ import annotations

from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_training.common.progress import say
from recommender_training.config.training import Algorithm, TrainingConfig
from recommender_training.data import load
from recommender_training.distributed.group import Group
from recommender_training.features.prepared_data import prepare_data
from recommender_training.pipeline import warm_start
from recommender_training.trainer.deep_ranker import fit_deep, refit_deep
from recommender_training.trainer.fit_context import FitContext


def fit_along(
    lake_path: Path,
    data_version: str,
    group: Group,
    *,
    window_days: int | None,
    threads: int,
) -> None:
    """Fit the ranker twice together with the first process, which sends the settings."""
    with threadpool_limits(limits=threads):
        say(f"train: process {group.rank} reads {data_version} from {lake_path}")
        _, data = load.load(lake_path, data_version, window_days)
        config = TrainingConfig.model_validate_json(group.hear("config"))
        if config.algorithm is not Algorithm.DEEP_RANKER:
            return
        prepared = prepare_data(data, config)
        context = FitContext(group, start=warm_start.shared(group, config, None))
        deep, log = fit_deep(prepared, config, threads, context=context)
        group.hear("final")
        refit_deep(deep.size, log, prepared, config, threads, context)
