"""An artifact is staged completely or not at all; a full disk is reported with a remedy."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from recommender_operator.resources import names
from recommender_training.artifact.staged_folder import DiskFullError, staged
from recommender_training.cli import main
from recommender_training.pipeline import training


def test_the_folder_appears_complete_and_replaces_the_old_one(tmp_path: Path) -> None:
    output = tmp_path / "v-1"
    for text in ("old", "new"):
        with staged(output) as partial:
            partial.mkdir()
            (partial / "file").write_text(text)
    assert (output / "file").read_text() == "new"
    assert os.listdir(tmp_path) == ["v-1"]


def test_a_killed_training_leaves_files_where_the_operator_removes_them(tmp_path: Path) -> None:
    output = tmp_path / names.staged_path("movies", "movies-0123abcd", 2)
    with staged(output) as partial:
        found = names.unfinished_path("movies", "movies-0123abcd", 2)
        assert partial == tmp_path / found
        partial.mkdir(parents=True)


def half(output: Path, error: Exception) -> None:
    """Write a half of it, and fail."""
    with staged(output) as partial:
        partial.mkdir(parents=True)
        (partial / "half").write_text("x")
        raise error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_folder_and_no_partial_one(tmp_path: Path, number: int) -> None:
    output = tmp_path / "v-1"
    output.mkdir()
    with pytest.raises(DiskFullError, match=r"MB are free.*free space") as caught:
        half(output, OSError(number, os.strerror(number)))
    assert caught.value.errno == number
    assert str(output) in str(caught.value)
    assert os.listdir(tmp_path) == ["v-1"]


def test_any_other_failure_leaves_no_partial_folder_and_keeps_its_error(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        half(tmp_path / "new" / "v-1", PermissionError(errno.EACCES, "no"))
    assert not list((tmp_path / "new").iterdir())


def test_the_command_exits_with_one_and_keeps_the_checkpoints(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(training, "write_bytes", full)
    config = trained.config.model_dump_json(by_alias=True, exclude={"search", "fault_injection"})
    report = tmp_path / "report.json"
    code = main.main(
        ["train", "--lake", str(trained.lake), "--data-version", trained.data_version,
         "--config", config, "--output", str(tmp_path / "s" / "v-1"), "--report", str(report)]
    )  # fmt: skip
    answer = json.loads(report.read_text())
    assert (code, answer["reason"]) == (1, "DiskFull")
    assert "free space" in answer["message"]
    names = {path.name.partition("-")[2] for path in (tmp_path / "s/.checkpoints").iterdir()}
    fits = ("first", "final", "towers", "towers-final")
    assert names == {f"{fit}.checkpoint" for fit in fits}, "the next attempt is short"
    assert [path.name for path in (tmp_path / "s").iterdir()] == [".checkpoints"]
