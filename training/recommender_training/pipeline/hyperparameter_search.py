"""A search by itself: what the command `search` does. The test window stays unread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender_training.config.training import TrainingConfig
from recommender_training.data import load
from recommender_training.features.prepared_data import prepare_data
from recommender_training.search.choose import choose_configuration
from recommender_training.search.objective import Source


def run_search(
    lake_path: Path,
    data_version: str,
    config: TrainingConfig,
    folder: Path,
    *,
    window_days: int | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """Search, fit the chosen settings from several seeds, and return the section `search`.

    The journal is in `folder`; repeating the call resumes it.
    """
    with threadpool_limits(limits=threads):
        _, data = load.load_dataset(lake_path, data_version, window_days)
        source = Source(lake_path, data_version, window_days)
        found = choose_configuration(source, data, config, folder, threads)
        return found.report(prepare_data(data, found.config), None, threads)["search"]
