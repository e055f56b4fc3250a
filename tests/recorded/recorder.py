"""Runs the Jobs of the present release for a small shop, and keeps what they wrote."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

from recommender_training.cli import main
from recommender_training.common import clock
from tests.integration.training.transformer_in_process import ask
from tests.recorded import readers, shop

CONFIG = {"seed": 3, "hyperparameters": {"epochs": 2, "embeddingDim": 4, "batchSize": 256}}
RECALIBRATION = {
    "of": "v1", "slope": 0.8, "shift": -0.6, "totalSlope": 0.8, "totalShift": -0.6,
    "since": "2026-01-30T00:00:00Z", "judgedSince": "2026-01-31T00:00:00Z",
    "through": "2026-02-01T00:00:00Z", "users": 3500, "labels": 2800, "ratio": 0.7,
    "ratioAfter": 1.01, "gain": 0.012, "gainLow": 0.01, "gainHigh": 0.014,
}  # fmt: skip
SEARCH = {"sampler": "Random", "trials": 2, "folds": 1, "seeds": 2, "pruning": False}


class Recorder:
    """A claim with the folders of the model `shop`, and the reports of its Jobs."""

    def __init__(self, work: Path) -> None:
        self.store, self.raw = work / "store", work / "data"
        self.lake, self.artifacts = self.store / "lake/shop", self.store / "artifacts/shop"
        self.staging = self.store / "staging/shop"
        self.reports: dict[str, bytes] = {}

    def run(self, name: str, command: str, *arguments: object) -> dict[str, Any]:
        """Run a Job, and keep its report with the paths that it has in a pod."""
        path = self.store / "report.json"
        told = [command, *map(str, arguments), "--report", str(path)]
        with mock.patch.object(clock, "seconds", return_value=shop.NOW):
            main.main(told)
        content = path.read_bytes()
        self.reports[name] = content.replace(str(self.store).encode(), b"/store")
        path.unlink()
        found: dict[str, Any] = json.loads(content)
        return found

    def read(self, name: str, command: str, *arguments: object) -> dict[str, Any]:
        """Run a Job that reads the raw files."""
        source = ("--source", self.raw, "--format", "CSV", "--mapping", json.dumps(shop.MAPPING))
        return self.run(name, command, *source, "--lake", self.lake, *arguments)

    def train(self, name: str, version: str, data: str, config: Any, *more: object) -> Any:
        """Train a version, and return the report."""
        return self.run(
            name, "train", "--lake", self.lake, "--data-version", data,
            "--config", json.dumps(config), "--output", self.staging / version, *more,
        )  # fmt: skip


def record(destination: Path, work: Path) -> None:
    """Write what the present release writes and can read, in place of what is there."""
    jobs = Recorder(work)
    shop.write_first(jobs.raw)
    first = jobs.read("check", "check", "--min-rows", 100)["dataVersion"]
    digest = jobs.train("train", "v1-0", first, CONFIG)["digest"]
    published = jobs.run(
        "publish", "publish", "--staged", jobs.staging / "v1-0", "--digest", digest,
        "--store", jobs.artifacts,
    )  # fmt: skip
    artifact = jobs.store / published["path"]
    shop.write_later(jobs.raw)
    second = jobs.read("snapshot", "snapshot", "--against", first)["dataVersion"]
    judged = ("--min-rows", 100, "--against", first, "--checks")
    jobs.read("check-warned", "check", *judged, "{}")
    jobs.read("check-blocked", "check", *judged, json.dumps({"levels": {"categories": "Block"}}))
    jobs.read("check-refused", "check", "--min-rows", 10**6)
    champion = ("--champion-artifact", artifact, "--champion-digest", digest)
    jobs.train("train-compared", "v2-0", second, {**CONFIG, "search": SEARCH}, *champion,
               "--previous-artifact", artifact, "--previous-digest", digest)  # fmt: skip
    jobs.train(
        "train-not-compared", "v3-0", second, {"algorithm": "LogisticRegression"},
        "--champion-artifact", artifact, "--champion-digest", "sha256:" + "0" * 64,
    )  # fmt: skip
    jobs.run(
        "recalibrate", "recalibrate", "--artifact", artifact, "--digest", digest,
        "--recalibration", json.dumps(RECALIBRATION), "--output", jobs.staging / "v4-0",
    )  # fmt: skip
    jobs.run("remove", "remove", "--root", jobs.store, "--owner", "2026-02-01T00:00:00Z/uid",
             "staging/shop/v3-0")  # fmt: skip
    answer = asyncio.run(ask(artifact, shop.REQUEST, work))
    shutil.rmtree(destination, ignore_errors=True)
    (destination / "reports").mkdir(parents=True)
    for name, content in jobs.reports.items():
        (destination / "reports" / f"{name}.json").write_bytes(content)
    shutil.copytree(artifact, destination / "artifact")
    shutil.copytree(jobs.lake, destination / "lake")
    for file, value in (("answer", answer), ("readers", readers.schemas())):
        (destination / f"{file}.json").write_text(json.dumps(value, indent=1) + "\n")
