"""Jobs and transformers go on with what the former release wrote, and it with what they write.

`python -m tests.recorded` records the files.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from recommender_training.data_checks import lake_files
from tests.integration.training.transformer_in_process import ask
from tests.recorded import FORMER, shop
from tests.recorded.readers import FILES
from tests.recorded.recorder import CONFIG, RECALIBRATION, Recorder

WARM = {**CONFIG, "warmStart": {}}


def read(path: str) -> Any:
    return json.loads((FORMER / path).read_text(encoding="utf-8"))


DIGEST = read("reports/publish.json")["digest"]
FIRST, SECOND = (read(f"reports/{name}.json")["dataVersion"] for name in ("check", "snapshot"))


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """A claim as the former release left it."""
    found = Recorder(tmp_path_factory.mktemp("claim"))
    shutil.copytree(FORMER / "lake", found.lake)
    shutil.copytree(FORMER / "artifact", found.artifacts / "former")
    return found


def test_the_transformer_answers_with_the_list_of_the_former_release(tmp_path: Path) -> None:
    (answer,) = asyncio.run(ask(FORMER / "artifact", shop.REQUEST, tmp_path))["predictions"]
    (before,) = read("answer.json")["predictions"]
    assert (answer["items"], answer["source"]) == (before["items"], "model")
    assert answer["scores"] == pytest.approx(before["scores"], abs=1e-5)
    assert answer.keys() == before.keys()


def test_a_training_on_the_former_lake_starts_from_the_former_champion(jobs: Recorder) -> None:
    champion = jobs.artifacts / "former"
    report = jobs.train(
        "train", "v5-0", SECOND, WARM, "--champion-artifact", champion,
        "--champion-digest", DIGEST, "--previous-artifact", champion, "--previous-digest", DIGEST,
    )  # fmt: skip
    assert report["ok"], report["message"]
    assert report["champion"]["compared"]
    assert (
        report["champion"]["previous"]["rows"]
        == (read("reports/train-compared.json")["champion"]["previous"]["rows"])
    )
    staged = jobs.staging / "v5-0"
    warm = json.loads((staged / "report.json").read_text())["warmStart"]
    assert (warm["warm"], warm["newItems"], warm["newUsers"]) == (True, 0, 0)
    # Operator and transformers of the former release read it too, after a rollback of an upgrade.
    readers = read("readers.json")
    report["stagedPath"] = "/store/staging/shop/v5-0"
    jsonschema.validate(report, readers["train"])
    for name in FILES:
        jsonschema.validate(json.loads((staged / name).read_text()), readers[name])


def test_the_former_artifact_is_recalibrated_exported_and_verified(
    jobs: Recorder, tmp_path: Path
) -> None:
    former = jobs.artifacts / "former"
    report = jobs.run(
        "recalibrate", "recalibrate", "--artifact", former, "--digest", DIGEST,
        "--recalibration", json.dumps(RECALIBRATION), "--output", jobs.staging / "v6-0",
    )  # fmt: skip
    assert report["ok"], report["message"]
    jsonschema.validate(report, read("readers.json")["recalibrate"])
    assert jobs.run("verify", "verify", former, "--digest", DIGEST)["ok"]
    assert jobs.run("export", "export", former, "--output", tmp_path / "triton")["ok"]


def test_a_past_version_of_the_former_lake_is_checked_with_the_same_result(jobs: Recorder) -> None:
    report = jobs.run(
        "check", "check", "--lake", jobs.lake, "--data-version", FIRST, "--min-rows", 100
    )
    assert report["ok"], report["message"]
    before = read("reports/check.json")
    assert report["rows"] == before["rows"]
    assert report["checks"]["passed"] == before["checks"]["passed"]
    jsonschema.validate(report, read("readers.json")["check"])
    assert lake_files.read_quarantined(jobs.lake, FIRST) is not None


def test_new_files_are_added_to_the_former_lake(jobs: Recorder) -> None:
    shop.write_first(jobs.raw)
    shop.write_later(jobs.raw)
    report = jobs.read("snapshot", "snapshot", "--against", FIRST)
    assert report["ok"], report["message"]
    before = read("reports/snapshot.json")
    assert (report["dataVersion"], report["rows"], report["newRows"]) == (
        SECOND,
        before["rows"],
        0,
    )
    recorded = read("lake/snapshots.json")["snapshots"]
    assert (report["segments"], report["snapshots"]) == (before["segments"], len(recorded) + 1)
    jsonschema.validate(report, read("readers.json")["snapshot"])
