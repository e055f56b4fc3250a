"""Embeddings that do not fit are refused before anything is fitted, and reported else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.artifact import REPORT_PAGE
from recommender_training.common.errors import InputError
from recommender_training.config.training import TrainingConfig
from recommender_training.pipeline import training
from recommender_training.trainer import memory


def test_a_training_beyond_the_memory_of_its_container_fits_nothing(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fitted(*_arguments: object) -> None:
        raise AssertionError("something was fitted")

    monkeypatch.setattr(training, "fit_models", fitted)
    monkeypatch.setattr(memory, "container_limit", lambda: 1_000)
    run = training.TrainingRun(
        trained.lake, trained.data_version, TrainingConfig(), tmp_path / "staged"
    )
    with pytest.raises(InputError, match=r"training\.resources\.limits\.memory") as error:
        training.train(run)
    assert error.value.reason == "EmbeddingsTooLarge"
    assert not (tmp_path / "staged").exists()


def test_validation_alone_is_refused_too(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "container_limit", lambda: 1_000)
    with pytest.raises(InputError, match="memory of this container"):
        training.validate(trained.lake, trained.data_version, TrainingConfig())


def test_report_and_page_state_the_tables_and_their_memory(trained: Any) -> None:
    report = json.loads((trained.staged / "report.json").read_text())
    names = [(t["model"], t["name"], t["updates"]) for t in report["embeddings"]["tables"]]
    assert names == [
        ("ranker", "users", "Dense"),
        ("ranker", "items", "Dense"),
        ("towers", "items", "Dense"),
        ("towers", "biases", "Dense"),
    ]
    assert report["embeddings"]["peakBytes"] > 0
    page = (trained.staged / REPORT_PAGE).read_text()
    assert "ranker users 121 x 8 (Dense)" in page
