"""`verify` names every file that is missing, added or changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recommender_serving.__main__ import main
from recommender_serving.artifact.verify import problems
from tests.unit.recommender_serving.serving_samples import write_files, write_manifest

MODEL = "repository/recommender/1/model.pt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_files(tmp_path / "artifact")
    model = tmp_path / "artifact" / MODEL
    model.parent.mkdir(parents=True)
    model.write_bytes(b"weights" * 1000)
    return tmp_path / "artifact"


def test_an_intact_artifact_has_no_problems(folder: Path) -> None:
    assert problems(folder, write_manifest(folder)) == []


def _flip(folder: Path) -> None:
    data = bytearray((folder / MODEL).read_bytes())
    data[3000] ^= 1
    (folder / MODEL).write_bytes(data)


def _link_inside(folder: Path) -> None:
    (folder / MODEL).rename(folder.parent / "elsewhere")
    (folder / MODEL).symlink_to(folder.parent / "elsewhere")


TAMPERINGS: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: (folder / MODEL).unlink(), f"{MODEL} is missing"),
    (_flip, f"{MODEL} was changed: its sha256"),
    (lambda folder: (folder / MODEL).write_bytes(b"short"), f"{MODEL} was changed: 5 bytes"),
    (lambda folder: (folder / "repository/new.py").write_text("x"), "repository/new.py was added"),
    (lambda folder: (folder / "sub").symlink_to("/etc"), "sub is neither a regular file nor"),
    (_link_inside, f"{MODEL} is neither a regular file nor"),
]


@pytest.mark.parametrize(("tamper", "fault"), TAMPERINGS)
def test_a_tampered_artifact_is_caught_and_the_file_named(
    folder: Path, tamper: Callable[[Path], object], fault: str
) -> None:
    digest = write_manifest(folder)
    tamper(folder)
    assert any(fault in found for found in problems(folder, digest))


def test_a_forged_manifest_is_caught_by_the_digest(folder: Path) -> None:
    digest = write_manifest(folder)
    _flip(folder)
    assert write_manifest(folder) != digest  # the forger keeps files and manifest consistent
    found = problems(folder, digest)
    assert len(found) == 1
    assert found[0].startswith("manifest.json was changed")


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../b", "./vocabulary.json"])
def test_a_manifest_that_points_outside_is_refused(folder: Path, path: str) -> None:
    entry = {"path": path, "sha256": "0" * 64, "bytes": 1}
    text = json.dumps({"files": [entry]}).encode()
    (folder / "manifest.json").write_bytes(text)
    digest = "sha256:" + hashlib.sha256(text).hexdigest()
    assert f"{path} is not a relative path inside the artifact" in problems(folder, digest)


@pytest.mark.parametrize("text", ["{", "[]", '{"files": []}', '{"files": [{"path": "a"}]}'])
def test_a_manifest_that_breaks_its_schema_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert problems(folder, digest)[0].startswith("manifest.json violates its schema")


def test_a_missing_manifest_or_folder_is_reported(tmp_path: Path) -> None:
    digest = "sha256:" + "0" * 64
    assert problems(tmp_path, digest) == [f"manifest.json is missing in {tmp_path}"]
    assert "is not a folder" in problems(tmp_path / "none", digest)[0]


def test_the_command_ends_with_0_for_an_intact_artifact_and_1_with_every_fault(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = write_manifest(folder)
    assert main(["verify", str(folder), "--digest", digest]) == 0
    assert digest in capsys.readouterr().out
    (folder / MODEL).unlink()
    (folder / "added").touch()
    assert main(["verify", str(folder), "--digest", digest]) == 1
    errors = capsys.readouterr().err
    assert f"{MODEL} is missing" in errors
    assert "added was added" in errors


def test_serve_says_which_setting_is_missing_and_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RECOMMENDER_MODEL", raising=False)
    assert main(["serve", "--artifact", "/none"]) == 2
    assert "RECOMMENDER_MODEL" in capsys.readouterr().err


@pytest.mark.parametrize("is_damaged", [False, True])
def test_serve_with_a_digest_verifies_the_artifact_at_each_start_before_anything_is_loaded(
    folder: Path,
    is_damaged: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    starts: list[Path] = []
    monkeypatch.setattr("recommender_serving.__main__._serve", lambda s: starts.append(s.artifact))
    digest = write_manifest(folder)
    if is_damaged:
        _flip(folder)
    command = ["serve", "--artifact", str(folder), "--model", "movies", "--version", "v"]
    code = main([*command, "--digest", digest])
    assert (code, starts) == ((1, []) if is_damaged else (None, [folder]))
    assert (f"{MODEL} was changed" in capsys.readouterr().err) is is_damaged
    # Without the digest nothing says what the artifact should be.
    starts.clear()
    main(command)
    assert starts == [folder]
