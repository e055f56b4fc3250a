"""An artifact is published completely or not at all, and changed ones are never accepted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender_training.artifact import manifest, store
from recommender_training.common.durable_files import canonical_json
from recommender_training.common.errors import InputError


@pytest.fixture
def staged(trained: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.staged, tmp_path / "staged"))


def test_the_published_artifact_equals_the_staged_one(
    trained: Any, staged: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "claim" / "artifacts" / "movies"
    path = store.publish(staged, trained.digest, folder)
    assert path == f"artifacts/movies/{trained.digest[7:23]}"
    target = tmp_path / "claim" / path
    assert manifest.verify(target, trained.digest)["dataVersion"] == trained.data_version
    assert [child.name for child in folder.iterdir()] == [trained.digest[7:23]]
    for file in target.rglob("*"):
        assert file.stat().st_mode & 0o444 == 0o444, "another user serves it"


def test_publishing_again_is_a_success_even_without_the_staged_folder(
    trained: Any, staged: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "artifacts" / "movies"
    first = store.publish(staged, trained.digest, folder)
    shutil.rmtree(staged)
    assert store.publish(staged, trained.digest, folder) == first


def test_an_interrupted_publish_can_be_repeated(
    trained: Any, staged: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "artifacts" / "movies"
    half = folder / f".publishing-{trained.digest[7:23]}"
    half.mkdir(parents=True)
    (half / "rubbish").write_text("half a file")
    store.publish(staged, trained.digest, folder)
    assert [child.name for child in folder.iterdir()] == [trained.digest[7:23]]


def _edit_manifest(root: Path) -> None:
    content = json.loads((root / "manifest.json").read_text())
    content["seed"] = 99
    (root / "manifest.json").write_bytes(canonical_json(content))


def _flip(root: Path) -> None:
    path = root / "repository/recommender/1/model.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _link(root: Path) -> None:
    path = root / "vocabulary.json"
    shutil.copyfile(path, root.parent / "elsewhere.json")
    path.unlink()
    path.symlink_to(root.parent / "elsewhere.json")


TAMPERED: list[Callable[[Path], Any]] = [
    lambda root: (root / "manifest.json").unlink(),
    lambda root: (root / "manifest.json").write_text("{}"),
    lambda root: (root / "repository/baseline/1/model.pt").unlink(),
    lambda root: (root / "repository/recommender/1/added.pt").write_text("x"),
    lambda root: (root / "reference.json").write_text("{}"),
    _edit_manifest,
    _flip,
    _link,
]


@pytest.mark.parametrize("tamper", TAMPERED)
def test_a_tampered_artifact_is_never_published(
    trained: Any, staged: Path, tmp_path: Path, tamper: Callable[[Path], Any]
) -> None:
    tamper(staged)
    folder = tmp_path / "artifacts" / "movies"
    with pytest.raises(InputError) as caught:
        store.publish(staged, trained.digest, folder)
    assert caught.value.reason == "ArtifactInvalid"
    assert not folder.exists()


def test_an_artifact_changed_in_the_store_does_not_count_as_published(
    trained: Any, staged: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "artifacts" / "movies"
    store.publish(staged, trained.digest, folder)
    _flip(folder / trained.digest[7:23])
    with pytest.raises(InputError):
        store.publish(staged, trained.digest, folder)


def test_a_manifest_without_a_required_file_is_refused(staged: Path) -> None:
    content = json.loads((staged / "manifest.json").read_text())
    content["files"] = [e for e in content["files"] if e["path"] != "popularity.json"]
    (staged / "manifest.json").write_bytes(canonical_json(content))
    (staged / "popularity.json").unlink()
    with pytest.raises(InputError, match=r"popularity\.json"):
        manifest.verify(staged)


def test_an_invalid_digest_is_refused(staged: Path, tmp_path: Path) -> None:
    for digest in ("", "sha256:abc", "md5:" + "0" * 64, "sha256:" + "G" * 64):
        with pytest.raises(InputError) as caught:
            store.publish(staged, digest, tmp_path)
        assert caught.value.reason == "InvalidDigest"


def test_remove_removes_only_the_given_paths(tmp_path: Path) -> None:
    for name in ("artifacts/m/a/x", "artifacts/m/b/x", "lake/m/x"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x")
    assert store.remove(tmp_path, ["artifacts/m/a", "lake/m/x", "gone"]) == [
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
    assert store.remove(tmp_path, ["lake/m"]) == ["lake/m"]
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
        store.remove(root, ["kept", path])
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
    assert store.remove(root, ["link", "inside"]) == ["link", "inside"]
    assert (other / "kept").is_file()
