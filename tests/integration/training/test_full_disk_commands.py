"""`check` and `publish` on a full disk: reported, and repeatable once there is space."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recommender_training.artifact import manifest
from recommender_training.cli import main

pytestmark = pytest.mark.integration


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of few kilobytes."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "none", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)


def run(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    report = tmp_path / "report.json"
    code = main.main([*arguments, "--report", str(report)])
    return code, json.loads(report.read_text())


def assert_full(code: int, found: dict[str, Any]) -> None:
    assert (code, found["reason"]) == (1, "DiskFull"), found
    assert "free space" in found["message"]


def test_a_check_on_a_full_disk_can_be_repeated_to_the_same_version(
    trained: Any, source: Path, disk: Path, tmp_path: Path
) -> None:
    check = ["check", "--source", str(source), "--format", "MovieLens100K", "--min-rows", "1",
             "--max-quarantined-share", "0.1", "--lake", str(disk / "lake")]  # fmt: skip
    assert_full(*run(tmp_path, *check))
    enlarge(disk)
    code, found = run(tmp_path, *check)
    assert code == 0, found
    digest = found["dataVersion"].partition("-")[2]
    assert digest == trained.data_version.partition("-")[2]
    assert not list(disk.rglob("*#*")), "half-written files"


def test_a_publish_on_a_full_disk_leaves_nothing_and_can_be_repeated(
    trained: Any, disk: Path, tmp_path: Path
) -> None:
    publish = ["publish", "--staged", str(trained.staged), "--digest", trained.digest,
               "--store", str(disk / "artifacts" / "movies")]  # fmt: skip
    assert_full(*run(tmp_path, *publish))
    assert not [path for path in disk.rglob("*") if path.is_file()]
    enlarge(disk)
    code, found = run(tmp_path, *publish)
    assert code == 0, found
    manifest.verify_artifact(disk / found["path"], trained.digest)
