"""A champion that does not fit is a cold start that says why; a changed one is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from recommender_contract.artifact import MANIFEST
from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.artifact import checkpoint, manifest
from recommender_training.artifact.checkpoint import CheckpointError
from recommender_training.config.training import TrainingConfig
from recommender_training.features.prepared_data import PreparedData
from recommender_training.pipeline import warm_start
from tests.unit.recommender_training.pipeline.warm_starts import configured, start_of

SCHEMA_FILE = Path(__file__).parents[4] / "docs" / "evaluation.schema.json"


def test_a_champion_that_reads_other_feature_groups_is_no_start(
    trained: Any, prepared: PreparedData
) -> None:
    frozen = dataclasses.replace(prepared.constants, groups=(FeatureGroup.CALENDAR,))
    other = dataclasses.replace(prepared, constants=frozen)
    _, told = warm_start.resolve(configured(), other, (trained.staged, trained.digest))
    assert told is not None
    assert "reads other features" in told["message"]


def test_a_champion_whose_users_have_other_attributes_is_no_start(
    trained: Any, prepared: PreparedData
) -> None:
    start = start_of(trained)
    words = dataclasses.replace(
        start.checkpoint.words, attributes=start.checkpoint.words.attributes[::-1]
    )
    other = dataclasses.replace(
        start, checkpoint=dataclasses.replace(start.checkpoint, words=words)
    )
    split, groups = prepared.split, prepared.constants.groups
    start.check(prepared.data, groups, split.validation_start)
    with pytest.raises(CheckpointError, match="reads other features"):
        other.check(prepared.data, groups, split.validation_start)


@pytest.fixture
def altered(
    trained: Any, tmp_path: Path
) -> Callable[[Callable[[Path], object]], tuple[Path, str]]:
    def alter(change: Callable[[Path], object]) -> tuple[Path, str]:
        folder = tmp_path / "champion"
        shutil.copytree(trained.staged, folder)
        facts = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).unlink()
        change(folder)
        return folder, manifest.write_manifest(
            folder, {k: facts[k] for k in facts if k != "files"}
        )

    return alter


def no_checkpoint(folder: Path) -> None:
    (folder / checkpoint.PATH).unlink()


def no_tensors(folder: Path) -> None:
    (folder / checkpoint.PATH).write_bytes(b"garbage, and no safetensors file")


@pytest.mark.parametrize(
    ("more", "change", "why"),
    [
        ({"hyperparameters": {"embeddingDim": 16}}, None, "another shape"),
        ({"algorithm": "LogisticRegression"}, None, "no checkpoint"),
        ({}, no_checkpoint, "has no checkpoint"),
        ({}, no_tensors, "cannot be read"),
    ],
)
def test_a_champion_that_does_not_fit_is_a_cold_start_that_says_why(
    prepared: PreparedData, altered: Any, more: dict[str, Any],
    change: Callable[[Path], object] | None, why: str,
) -> None:  # fmt: skip
    source = altered(change or (lambda _: None))
    before = torch.get_rng_state()
    start, told = warm_start.resolve(configured(**more), prepared, source)
    assert start is None
    assert told is not None
    assert told["warm"] is False
    assert told["message"].startswith("cold start: ")
    assert why in told["message"]
    assert torch.equal(torch.get_rng_state(), before), "the cold fit is that of no warm start"


def test_a_changed_artifact_is_refused_without_naming_paths(
    prepared: PreparedData, altered: Any
) -> None:
    folder, digest = altered(lambda _: None)
    (folder / checkpoint.PATH).write_bytes(b"\0" * 100)
    start, told = warm_start.resolve(configured(), prepared, (folder, digest))
    assert start is None
    assert told is not None
    assert "ArtifactInvalid" in told["message"]
    assert str(folder) not in told["message"]


def test_without_a_champion_and_without_the_wish_there_is_none(prepared: PreparedData) -> None:
    start, told = warm_start.resolve(configured(), prepared, None)
    assert start is None
    assert told is not None
    assert "no champion" in told["message"]
    assert warm_start.resolve(TrainingConfig(), prepared, None) == (None, None)


def test_a_champion_that_saw_the_validation_window_is_no_start(
    trained: Any, prepared: PreparedData
) -> None:
    earlier = dataclasses.replace(
        prepared.split, validation_start=prepared.split.validation_start - 1
    )
    before = dataclasses.replace(prepared, split=earlier)
    _, told = warm_start.resolve(configured(), before, (trained.staged, trained.digest))
    assert told is not None
    assert "cannot be held out" in told["message"]
