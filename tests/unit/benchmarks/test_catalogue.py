"""The last line of the benchmark of catalogues has the figures that are compared over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recommender_training.config.lists import ItemIndex
from tests.benchmarks import catalogue

WHOLE = {"seconds": 3.0, "peak_rss_gib": 0.5, "auc": 0.7}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each step tells what its process would, and is in the list."""
    asked: list[str] = []

    def told(module: str, *arguments: str) -> dict[str, Any]:
        asked.append(" ".join((module, *arguments)))
        if module == "stream_training":
            return WHOLE
        Path(arguments[1]).touch()  # the graph
        return dict.fromkeys((*catalogue.BY_SIZE, "bound_ratio"), float(arguments[3]))

    monkeypatch.setattr(catalogue, "_last_line", told)
    monkeypatch.setattr(catalogue, "list_recall", lambda folder: 1.0)
    return asked


def test_the_last_line_has_figures_by_size_the_bound_and_the_training(
    tmp_path: Path, steps: list[str]
) -> None:
    sizes = [1700, 2_000_000, 1_000_000]
    found = catalogue.sizes(tmp_path, sizes, [])
    line = json.loads(json.dumps(catalogue.summary(found, catalogue.training(tmp_path))))
    by_size = {"1700", "1000000", "2000000", "1000000 paged", "2000000 paged"}
    for name in ("p50_ms", "p99_ms", "memory_mb", "artifact_mb", "candidate_recall"):
        assert line[name].keys() == by_size
    assert line["bound_ratio"] == 2_000_000, "that of the largest exact scan"
    assert (line["train_s"], line["train_rss_gb"]) == (3.0, 0.5)
    assert sum(ItemIndex.APPROXIMATE.value in step for step in steps) == 4
