"""Folders that an init container creates, and the marks of their owners."""

from __future__ import annotations

import concurrent.futures
import fcntl
import pathlib
import subprocess
import time

import pytest

from recommender_operator.resources import folder_preparation, jobs
from recommender_training.artifact import removal
from recommender_training.common.errors import InputError

FORMER, LATTER = "2026-12-01T08:00:00Z/former", "2026-12-01T09:00:00Z/latter"


def prepared(*folders: pathlib.Path | str, owner: str = "") -> subprocess.CompletedProcess[str]:
    container = {"image": "", "imagePullPolicy": "", "securityContext": {}, "resources": {}}
    command = folder_preparation.prepare(container, [], owner)["command"]
    words = [*command, *map(str, folders)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_missing_folders_are_created_and_existing_ones_stay(tmp_path: pathlib.Path) -> None:
    kept = tmp_path / "lake" / "movies" / "kept"
    kept.parent.mkdir(parents=True)
    kept.write_text("x")
    done = prepared(kept.parent, tmp_path / "staging" / "a b $(c)")
    assert done.returncode == 0, done.stderr
    assert kept.read_text() == "x"
    assert (tmp_path / "staging" / "a b $(c)").is_dir()


@pytest.mark.parametrize(
    ("owners", "marked"),
    [
        ([FORMER], FORMER),
        ([FORMER, LATTER], LATTER),
        # A check of the former model, whose pod started late.
        ([LATTER, FORMER], LATTER),
        ([FORMER, "2026-12-01T08:00:00Z/another"], "2026-12-01T08:00:00Z/another"),
        # A removal prepares folders too.
        ([FORMER, ""], FORMER),
    ],
)
def test_folders_have_the_mark_of_the_newest_model_that_used_them(
    tmp_path: pathlib.Path, owners: list[str], marked: str
) -> None:
    folder = tmp_path / "lake" / "movies"
    for owner in owners:
        done = prepared(folder, owner=owner)
        assert (done.returncode, done.stderr) == (0, "")
    assert (folder / folder_preparation.OWNER).read_text() == f"{marked}\n"


def test_a_removal_reads_the_mark_and_spares_the_newer_model(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "lake" / "movies"
    prepared(folder, owner=LATTER)
    with pytest.raises(InputError, match=LATTER):
        removal.remove(tmp_path, ["lake/movies"], FORMER)
    assert removal.remove(tmp_path, ["lake/movies"], LATTER) == ["lake/movies"]


def test_a_mark_that_a_removal_removes_meanwhile_is_made_again(tmp_path: pathlib.Path) -> None:
    prepared(tmp_path, owner=FORMER)
    mark = tmp_path / folder_preparation.OWNER
    with mark.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            latter = pool.submit(prepared, tmp_path, owner=LATTER)
            while not _waits_for(mark):
                time.sleep(0.01)
            mark.unlink()
            with mark.open("a") as another:
                fcntl.flock(another, fcntl.LOCK_EX)
                fcntl.flock(held, fcntl.LOCK_UN)
                while not _waits_for(mark):
                    assert not latter.done(), "another removal holds the mark that is there now"
            assert latter.result().returncode == 0
    assert mark.read_text() == f"{LATTER}\n"


def _waits_for(path: pathlib.Path) -> bool:
    """Return whether a process waits for the lock of a file."""
    number = f":{path.stat().st_ino} "
    lines = pathlib.Path("/proc/locks").read_text().splitlines()
    return any("->" in line and number in line for line in lines)


def test_an_unfinished_mark_is_written_again(tmp_path: pathlib.Path) -> None:
    (tmp_path / folder_preparation.OWNER).touch()
    assert prepared(tmp_path, owner=FORMER).returncode == 0
    assert (tmp_path / folder_preparation.OWNER).read_text() == f"{FORMER}\n"


def test_folders_without_an_owner_have_no_mark(tmp_path: pathlib.Path) -> None:
    assert prepared(tmp_path / "lake").returncode == 0
    assert list((tmp_path / "lake").iterdir()) == []


def test_a_folder_that_cannot_be_created_fails_the_job_with_the_remedy(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "lake").write_text("a file where a folder belongs")
    done = prepared(tmp_path / "lake" / "movies", tmp_path / "staging")
    assert done.returncode == jobs.INVALID_INPUT
    assert "StoreNotWritable: user and group 65532 cannot write to" in done.stderr
    assert "recommender.dev/storage=true" in done.stderr
    assert not (tmp_path / "staging").exists()
