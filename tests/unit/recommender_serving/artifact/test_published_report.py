"""The report is there for those who know the artifact, and never keeps it from serving."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from recommender_contract.artifact import MANIFEST
from recommender_contract.artifact import REPORT_PAGE as REPORT
from recommender_serving.artifact import published_report
from recommender_serving.artifact.loader import load
from recommender_serving.artifact.published_report import read_report
from tests.unit.recommender_serving import serving_samples as samples

PAGE = b"<!doctype html><title>Recommender evaluation</title>"


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    (tmp_path / MANIFEST).write_bytes(b"{}")
    (tmp_path / REPORT).write_bytes(PAGE)
    return tmp_path


def test_report_and_manifest_are_given_to_who_knows_the_digest(artifact: Path) -> None:
    report = read_report(artifact)
    assert report is not None
    digest = hashlib.sha256(b"{}").hexdigest()
    assert report.file(digest, REPORT) == PAGE
    assert report.file(digest, MANIFEST) == b"{}"
    for wrong in ("", digest[:-1], digest.upper(), f"sha256:{digest}", "\u00e9", "0" * 64):
        assert report.file(wrong, REPORT) is None, wrong


@pytest.mark.parametrize("name", ["report.json", "", ".", "..", "../manifest.json", "/etc/passwd"])
def test_no_other_file_is_given(artifact: Path, name: str) -> None:
    report = read_report(artifact)
    assert report is not None
    assert report.file(report.digest, name) is None


@pytest.mark.parametrize("name", [MANIFEST, REPORT])
def test_a_file_that_is_missing_too_long_or_unreadable_is_no_report(
    artifact: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published_report, "MAX_PUBLISHED_BYTES", 60)
    assert read_report(artifact) is not None
    (artifact / name).write_bytes(b"x" * 61)
    assert read_report(artifact) is None
    (artifact / name).unlink()
    assert read_report(artifact) is None
    (artifact / name).mkdir()
    assert read_report(artifact) is None


def test_an_artifact_is_served_with_and_without_a_report(tmp_path: Path) -> None:
    assert samples.sample_artifact(tmp_path).report is None
    (tmp_path / REPORT).write_bytes(PAGE)
    report = load(tmp_path).report
    assert report is not None
    assert report.file(report.digest, REPORT) == PAGE
