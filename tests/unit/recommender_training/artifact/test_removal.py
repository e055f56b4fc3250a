"""A removal is one rename for readers, ends after a kill, and spares what a newer model uses."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from typing import TextIO

import pytest

from recommender_training.artifact import removal
from recommender_training.common.errors import InputError

FORMER = "2026-12-01T08:00:00Z/former"
LATTER = "2026-12-01T09:00:00Z/latter"


def artifact(claim: Path, name: str = "aa", model: str = "m") -> Path:
    made = claim / "artifacts" / model / name
    (made / "repository").mkdir(parents=True)
    (made / "repository" / "model.pt").write_text("x")
    (made / "manifest.json").write_text("{}")
    return made


def mark(claim: Path, owner: str, *areas: str) -> None:
    for area in areas or ("artifacts", "staging", "lake"):
        folder = claim / area / "m"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / removal.OWNER).write_text(f"{owner}\n")


def test_remove_removes_only_the_given_paths(tmp_path: Path) -> None:
    for name in ("artifacts/m/a/x", "artifacts/m/b/x", "lake/m/x"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x")
    assert removal.remove(tmp_path, ["artifacts/m/a", "lake/m/x", "gone"]) == [
        "artifacts/m/a",
        "lake/m/x",
    ]
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["x"]
    assert (tmp_path / "artifacts/m/b/x").is_file()


def test_remove_empties_a_mount_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount, kept = tmp_path / "lake" / "m", tmp_path / "kept"
    (mount / "interactions").mkdir(parents=True)
    (mount / "file").write_text("x")
    kept.write_text("x")
    (mount / "link").symlink_to(tmp_path)
    monkeypatch.setattr(Path, "is_mount", lambda path: path == mount)
    assert removal.remove(tmp_path, ["lake/m"]) == ["lake/m"]
    assert list(mount.iterdir()) == []
    assert kept.is_file()


@pytest.mark.parametrize("path", ["", ".", "..", "../other", "a/../../other", "/etc", "link/kept"])
def test_remove_never_leaves_its_root(tmp_path: Path, path: str) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    (root / "kept").mkdir(parents=True)
    other.mkdir()
    (other / "kept").write_text("x")
    (root / "link").symlink_to(other)
    with pytest.raises(InputError) as caught:
        removal.remove(root, ["kept", path])
    assert caught.value.reason == "UnsafePath"
    assert (other / "kept").is_file()
    assert (root / "kept").is_dir(), "all paths are checked before the first is removed"


def test_remove_removes_a_link_and_not_its_target(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    (root / "inside").mkdir(parents=True)
    other.mkdir()
    (other / "kept").write_text("x")
    (root / "link").symlink_to(other)
    (root / "inside" / "deep").symlink_to(other)
    assert removal.remove(root, ["link", "inside"]) == ["link", "inside"]
    assert (other / "kept").is_file()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("mounted", [True, False])
def test_a_killed_removal_leaves_no_part_for_readers_and_the_next_one_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounted: bool
) -> None:
    made = artifact(tmp_path)
    path = "artifacts/m" if mounted else "artifacts/m/aa"
    monkeypatch.setattr(Path, "is_mount", lambda each: mounted and each == made.parent)

    def killed(found: Path, *_: object) -> None:
        (found / "manifest.json").unlink()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(Killed):
            removal.remove(tmp_path, [path])
    assert not made.exists(), "a part of it would be taken for an artifact"
    assert list(made.parent.iterdir()), "the kill left a part elsewhere"
    artifact(tmp_path, "bb")
    removal.remove(tmp_path, ["artifacts/m/bb"])
    assert list(made.parent.iterdir()) == []


def test_a_late_removal_spares_what_a_newer_model_of_the_same_name_uses(tmp_path: Path) -> None:
    made = artifact(tmp_path)
    mark(tmp_path, LATTER)
    for path in ("artifacts/m/aa", "artifacts/m", "lake/m"):
        with pytest.raises(InputError) as caught:
            removal.remove(tmp_path, [path], FORMER)
        assert caught.value.reason == "NewerOwner"
        assert LATTER in caught.value.message
    assert sorted(file.name for file in made.rglob("*")) == [
        "manifest.json", "model.pt", "repository"
    ]  # fmt: skip


def test_nothing_is_removed_if_a_newer_model_uses_one_of_the_folders(tmp_path: Path) -> None:
    made = artifact(tmp_path)
    mark(tmp_path, FORMER, "artifacts")
    mark(tmp_path, LATTER, "staging")
    with pytest.raises(InputError, match="staging"):
        removal.remove(tmp_path, ["artifacts/m/aa", "staging/m/v-1"], FORMER)
    assert made.is_dir()


@pytest.mark.parametrize(
    ("marked", "owner"),
    [
        (FORMER, FORMER),
        # Its folders were kept, or its model was restored from a backup with another uid.
        (FORMER, LATTER),
        # By an earlier release.
        (None, FORMER),
        ("", FORMER),
        # By a person.
        (LATTER, ""),
    ],
)
def test_a_model_removes_its_own_files_and_those_that_it_took_over(
    tmp_path: Path, marked: str | None, owner: str
) -> None:
    made = artifact(tmp_path)
    if marked is not None:
        mark(tmp_path, marked)
    assert removal.remove(tmp_path, ["artifacts/m/aa"], owner) == ["artifacts/m/aa"]
    assert not made.exists()


def test_another_model_created_in_the_same_second_is_not_the_owner(tmp_path: Path) -> None:
    artifact(tmp_path)
    mark(tmp_path, "2026-12-01T08:00:00Z/another")
    with pytest.raises(InputError):
        removal.remove(tmp_path, ["artifacts/m/aa"], FORMER)


def test_no_model_takes_over_between_the_look_at_the_mark_and_the_last_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact(tmp_path)
    mark(tmp_path, FORMER)
    locked = []

    def looked(path: Path) -> None:
        with (tmp_path / "artifacts/m" / removal.OWNER).open("a") as another:
            try:
                fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                locked.append(path.name)

    monkeypatch.setattr(removal, "move_away", looked)
    removal.remove(tmp_path, ["artifacts/m/aa"], FORMER)
    assert locked == ["aa"]


def test_nor_if_another_removal_has_just_removed_the_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = artifact(tmp_path)

    def looked(path: Path) -> None:
        with (path.parent / removal.OWNER).open("a") as another:
            fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)

    monkeypatch.setattr(removal, "move_away", looked)
    with pytest.raises(BlockingIOError):
        removal.remove(tmp_path, ["artifacts/m/aa"], FORMER)
    assert made.exists()


def test_the_mark_goes_last_with_all_that_a_model_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = artifact(tmp_path)
    mark(tmp_path, FORMER)
    monkeypatch.setattr(Path, "is_mount", lambda each: each == made.parent)
    moved, move = [], removal.move_away

    def moves(path: Path) -> None:
        moved.append(path.name)
        move(path)

    monkeypatch.setattr(removal, "move_away", moves)
    removal.remove(tmp_path, ["artifacts/m"], FORMER)
    assert moved == ["aa", removal.OWNER]
    assert list(made.parent.iterdir()) == []


def test_the_mark_stays_with_the_rest_of_the_folder(tmp_path: Path) -> None:
    made = artifact(tmp_path)
    mark(tmp_path, FORMER)
    removal.remove(tmp_path, ["artifacts/m/aa"], FORMER)
    assert [child.name for child in made.parent.iterdir()] == [removal.OWNER]


def test_the_lock_of_a_mark_that_went_meanwhile_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = artifact(tmp_path)
    mark(tmp_path, FORMER)
    lock = fcntl.flock
    replaced: list[int] = []

    def waits(handle: TextIO, kind: int) -> None:
        lock(handle, kind)
        if not replaced:
            # Another removal held it, and a new model has begun since.
            (made.parent / removal.OWNER).unlink()
            mark(tmp_path, LATTER)
            replaced.append(kind)

    monkeypatch.setattr(fcntl, "flock", waits)
    with pytest.raises(InputError, match=LATTER):
        removal.remove(tmp_path, ["artifacts/m/aa"], FORMER)
    assert made.is_dir()


def test_two_removals_of_the_same_folder_both_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = artifact(tmp_path)
    rename = Path.rename

    def second(path: Path, target: Path) -> Path:
        if path == made:
            rename(path, tmp_path / "artifacts/m/.removed-by-the-other")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", second)
    removal.remove(tmp_path, ["artifacts/m/aa"])
    assert list(made.parent.iterdir()) == []
