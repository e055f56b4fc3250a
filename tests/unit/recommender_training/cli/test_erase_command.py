"""`erase`: whom it erases, what it says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recommender_collector.domain.pseudonyms import Pseudonyms
from recommender_contract.erasures import digest
from recommender_contract.resource.mapping import Format
from recommender_examples import synthetic
from recommender_training.cli import main
from recommender_training.common import clock
from recommender_training.data import erasures, snapshots
from recommender_training.ingestion import ingest
from tests.erased_lake import (
    MAPPING,
    NOW,
    OTHERS,
    USER,
    batch,
    check,
    content,
    listed,
    traces,
    users_file,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    batch(tmp_path / "raw", 1, (*OTHERS, USER), 1)
    users_file(tmp_path / "raw", (*OTHERS, USER))
    check(tmp_path / "raw", tmp_path / "lake")
    return tmp_path / "lake"


def erase(path: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    report = path.parent / "report.json"
    assert main.main(["erase", "--lake", str(path), *arguments, "--report", str(report)]) == code
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def test_a_dry_run_counts_and_changes_nothing(path: Path) -> None:
    before = content(path)
    report = erase(path, "--user", USER, "--dry-run")
    assert report["rows"] == {
        "explored": 1, "ids": 1, "interactions": 3, "quarantine": 2, "users": 1,
    }  # fmt: skip
    assert report["users"] == 1
    assert "1 users would be erased: 1 rows of explored" in report["message"]
    assert content(path) == before


def test_it_erases_and_names_the_new_data_version(path: Path) -> None:
    report = erase(path, "--user", USER, "--user", "nobody")
    assert traces(path) == []
    assert report["dataVersion"] == snapshots.read_snapshots(path)[-1].data_version
    assert report["snapshotsEnded"] == 1
    assert report["filesRemoved"] > 0
    again = erase(path, "--user", USER)
    assert again["message"].endswith("the lake has no row of them")


def test_the_users_of_a_file_and_of_a_list_are_erased(path: Path, tmp_path: Path) -> None:
    (tmp_path / "users.txt").write_text(f"{OTHERS[0]}\n{OTHERS[1]}\n")
    listed(tmp_path / "raw")
    report = erase(
        path, "--users-file", str(tmp_path / "users.txt"), "--source", str(tmp_path / "raw")
    )
    assert report["users"] == 3
    for user in (*OTHERS[:2], USER):
        assert traces(path, user) == []
    assert traces(path, OTHERS[2])


def test_it_counts_the_artifacts_that_know_the_user(path: Path, tmp_path: Path) -> None:
    version = snapshots.read_snapshots(path)[-1].data_version
    folder = tmp_path / "artifacts" / "shop-1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"dataVersion": version}))
    for options in (["--dry-run"], []):
        report = erase(path, "--user", USER, "--artifacts", str(folder.parent), *options)
        assert report["artifacts"] == 1
        assert "such as shop-1: their weights stay as they are" in report["message"]


def test_artifacts_that_cannot_be_read_are_an_error_before_anything_is_erased(
    path: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "artifacts" / "shop-1"
    damaged.mkdir(parents=True)
    (damaged / "manifest.json").write_text("{}")
    words = ["erase", "--lake", str(path), "--user", USER, "--artifacts", str(damaged.parent)]
    assert main.main(words) != 0
    assert traces(path, USER)


def test_data_checks_compare_with_a_version_that_was_erased(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "seconds", lambda: NOW)

    def check_again(*arguments: str, code: int = 0) -> dict[str, Any]:
        report = tmp_path / "report.json"
        words = ["check", "--lake", str(path), "--min-rows", "1", "--report", str(report)]
        assert main.main([*words, *arguments]) == code
        found: dict[str, Any] = json.loads(report.read_text())
        return found

    source = [
        "--source", str(tmp_path / "raw"), "--format", "JSONLines",
        "--mapping", json.dumps(MAPPING), "--max-quarantined-share", "1",
        "--checks", json.dumps({"levels": {"labels": "Warn"}}),
    ]  # fmt: skip
    old = check_again(*source)["dataVersion"]
    listed(tmp_path / "raw")
    found = check_again(*source, "--against", old)
    assert found["dataVersion"] != old
    assert found["checks"]["comparedWith"] == old
    assert traces(path) == []
    refused = check_again("--data-version", old, code=2)
    assert refused["reason"] == "DataVersionErased"
    assert "a user who was erased on" in refused["message"]
    longer = check_again(*source, "--against", old, "--window-days", "3")
    assert longer["checks"].get("comparedWith") is None, "there is no profile of this window"


def test_ids_are_hashed_as_the_collector_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "k" * 16
    hash_ = Pseudonyms(key.encode())("ada")
    batch(tmp_path / "raw", 1, (hash_, "eve"), 1)
    users_file(tmp_path / "raw", (hash_, "eve"))
    check(tmp_path / "raw", tmp_path / "lake")
    monkeypatch.setenv("RECOMMENDER_USER_KEY", key)
    assert erase(tmp_path / "lake", "--user", "ada", "--hash-users")["users"] == 1
    assert traces(tmp_path / "lake", hash_) == []
    monkeypatch.setenv("RECOMMENDER_USER_KEY", "short")
    refused = erase(tmp_path / "lake", "--user", "ada", "--hash-users", code=2)
    assert "RECOMMENDER_USER_KEY has 5 bytes" in refused["message"]


def test_a_lake_of_whole_numbers_takes_whole_numbers(tmp_path: Path) -> None:
    synthetic.generate(tmp_path / "raw", synthetic.Size(20, 10, 200), seed=1)
    lake = tmp_path / "lake"
    ingest.ingest_and_check(tmp_path / "raw", lake, kind=Format.MOVIELENS_100K)
    refused = erase(lake, "--user", "ada", code=2)
    assert refused["reason"] == "InvalidUser"
    assert "'ada' is not a whole number of at most 18 digits" in refused["message"]
    report = erase(lake, "--user", "7")
    assert report["users"] == 1
    assert erasures.read_erasures(lake).users.keys() == {digest(7)}
    again = ingest.ingest_and_check(tmp_path / "raw", lake, kind=Format.MOVIELENS_100K)
    assert again.data_version == report["dataVersion"], "the raw rows came back"


@pytest.mark.parametrize(
    ("arguments", "reason", "message"),
    [
        ([], "InvalidUser", "give --user, --users-file or --source"),
        (["--user", ""], "InvalidUser", "'' has 0 bytes; an id has 1 to 256"),
        (["--user", "x" * 257], "InvalidUser", "has 257 bytes"),
        (["--users-file", "missing.txt"], "InvalidUser", "--users-file: missing.txt cannot be"),
    ],
)
def test_wrong_users_are_refused_with_the_remedy(
    path: Path, arguments: list[str], reason: str, message: str
) -> None:
    before = content(path)
    refused = erase(path, *arguments, code=2)
    assert refused["reason"] == reason
    assert message in refused["message"]
    assert content(path) == before


def test_a_folder_that_is_no_lake_is_refused(tmp_path: Path) -> None:
    refused = erase(tmp_path / "lake", "--user", "ada", code=2)
    assert "is not a folder" in refused["message"]
    (tmp_path / "lake").mkdir()
    refused = erase(tmp_path / "lake", "--user", "ada", code=2)
    assert "has no table of users; run `check` first" in refused["message"]
