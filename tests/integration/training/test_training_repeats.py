"""The same training again is the same artifact, whatever was there before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recommender_training.artifact import manifest
from recommender_training.pipeline import training


def test_the_same_seed_and_data_give_the_same_bytes(trained: Any, tmp_path: Path) -> None:
    again = training.train(
        training.TrainingRun(
            trained.lake, trained.data_version, trained.config, tmp_path / "elsewhere" / "again"
        )
    )
    assert again.digest == trained.digest
    other = trained.config.model_copy(update={"seed": 4})
    changed = training.train(
        training.TrainingRun(trained.lake, trained.data_version, other, tmp_path / "changed")
    )
    assert changed.digest != trained.digest


def test_a_staged_folder_of_an_earlier_pod_is_replaced(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "staged").mkdir()
    (tmp_path / "staged" / "rubbish").write_text("half")
    result = training.train(
        training.TrainingRun(
            trained.lake, trained.data_version, trained.config, tmp_path / "staged"
        )
    )
    manifest.verify_artifact(result.staged, trained.digest)
