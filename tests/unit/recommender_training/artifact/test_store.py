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
    assert manifest.verify_artifact(target, trained.digest)["dataVersion"] == trained.data_version
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


def _half_removed(root: Path) -> None:
    (root / "manifest.json").unlink()
    (root / "repository/baseline/1/model.pt").unlink()


def _made_by_the_kubelet(root: Path) -> None:
    """A container whose artifact was removed has started: its `subPath` is made again."""
    shutil.rmtree(root)
    root.mkdir()


def _published(trained: Any, staged: Path, folder: Path) -> Path:
    """Publish, and return the artifact's place in the folder."""
    store.publish(staged, trained.digest, folder)
    return folder / str(trained.digest)[7:23]


LEFT: list[Callable[[Path], Any]] = [_half_removed, _made_by_the_kubelet, _flip, _link]


@pytest.mark.parametrize("leave", LEFT)
def test_what_is_left_in_the_place_of_an_artifact_is_replaced(
    trained: Any, staged: Path, tmp_path: Path, leave: Callable[[Path], Any]
) -> None:
    folder = tmp_path / "artifacts" / "movies"
    published = _published(trained, staged, folder)
    leave(published)
    store.publish(staged, trained.digest, folder)
    manifest.verify_artifact(published, trained.digest)
    hidden = [child.name for child in folder.iterdir() if child.name.startswith(".")]
    assert hidden == [], "what was replaced is deleted"


@pytest.mark.parametrize("leave", LEFT)
def test_what_is_left_stays_if_nothing_whole_can_replace_it(
    trained: Any, staged: Path, tmp_path: Path, leave: Callable[[Path], Any]
) -> None:
    folder = tmp_path / "artifacts" / "movies"
    published = _published(trained, staged, folder)
    leave(published)
    before = sorted(published.rglob("*"))
    _flip(staged)
    with pytest.raises(InputError) as caught:
        store.publish(staged, trained.digest, folder)
    assert caught.value.reason == "ArtifactInvalid"
    assert sorted(published.rglob("*")) == before


def test_a_manifest_without_a_required_file_is_refused(staged: Path) -> None:
    content = json.loads((staged / "manifest.json").read_text())
    content["files"] = [e for e in content["files"] if e["path"] != "popularity.json"]
    (staged / "manifest.json").write_bytes(canonical_json(content))
    (staged / "popularity.json").unlink()
    with pytest.raises(InputError, match=r"popularity\.json"):
        manifest.verify_artifact(staged)


def test_an_invalid_digest_is_refused(staged: Path, tmp_path: Path) -> None:
    for digest in ("", "sha256:abc", "md5:" + "0" * 64, "sha256:" + "G" * 64):
        with pytest.raises(InputError) as caught:
            store.publish(staged, digest, tmp_path)
        assert caught.value.reason == "InvalidDigest"
