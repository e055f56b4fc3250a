"""Training by torchrun and gloo: the model of one process, also when a process is killed.

No API server: processes of this machine alone. Where nothing is killed or restarted, processes are
forked from one that has imported PyTorch, and have what torchrun gives them: an environment and a
store to meet at.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

from recommender_contract.resource.mapping import Format
from recommender_examples import synthetic
from recommender_training.ingestion import ingest
from tests import warm

pytestmark = pytest.mark.integration

BIN = Path(sys.executable).parent
PACKAGE = "recommender_training"
SETTINGS = {"epochs": 20, "patience": 20, "embeddingDim": 8, "batchSize": 251}
CONFIG = {"seed": 3, "hyperparameters": SETTINGS}
#: Of the metrics of several processes from those of one; measured: docs/lab/training-models.md.
TOLERANCE = 0.002
#: For one training, on a machine that is busy with others.
LIMIT_SECONDS = 900


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    log: str
    report: dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A lake with a data version, and room to train."""

    lake: Path
    version: str
    root: Path

    def command(self, name: str, torchrun: list[str]) -> list[str]:
        launcher = [str(BIN / "torchrun"), *torchrun, "--no-python"]
        return [*launcher, str(BIN / "recommender-training"), *self.arguments(name)]

    def arguments(self, name: str, *more: str) -> list[str]:
        return [
            "train", "--lake", str(self.lake),
            "--data-version", self.version, "--config", json.dumps(CONFIG),
            "--output", str(self.root / name), "--report", str(self.root / f"{name}.json"), *more,
        ]  # fmt: skip

    def start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.root / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def end(self, name: str, *processes: subprocess.Popen[bytes] | warm.Warm) -> Ended:
        try:
            codes = [process.wait(timeout=LIMIT_SECONDS) for process in processes]
        finally:
            for process in processes:
                process.kill()
        code = next(filter(None, codes), 0)
        report = self.root / f"{name}.json"
        told = json.loads(report.read_text()) if report.exists() else {}
        return Ended(code, (self.root / f"{name}.log").read_text(), told)

    def train(self, name: str, *more: str) -> Ended:
        """Train by one process."""
        return self.end(name, self.fork(name, more, {}))

    def train_by_two(self, name: str, *more: str) -> Ended:
        """Train by two processes."""
        store = dist.TCPStore(  # type: ignore[attr-defined]
            "localhost", 0, is_master=True, wait_for_workers=False
        )
        shared = {
            "MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port), "WORLD_SIZE": "2",
            "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0",
        }  # fmt: skip
        return self.end(
            name, *(self.fork(name, more, {**shared, "RANK": rank}) for rank in ("0", "1"))
        )

    def fork(self, name: str, more: Sequence[str], environ: dict[str, str]) -> warm.Warm:
        with (self.root / f"{name}.log").open("ab") as log:
            return warm.start(PACKAGE, self.arguments(name, *more), log, {**os.environ, **environ})


def group(processes: int, restarts: int = 0) -> list[str]:
    return [
        "--nproc-per-node", str(processes), "--max-restarts", str(restarts),
        "--monitor-interval", "0.1", "--master-port", "0", "--rdzv-backend", "c10d",
        "--rdzv-endpoint", "localhost:0",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("distributed")
    synthetic.generate(
        root / "raw", synthetic.Size(users=120, items=60, interactions=3000), seed=5
    )
    checked = ingest.ingest_and_check(root / "raw", root / "lake", kind=Format.MOVIELENS_100K)
    return Place(root / "lake", checked.data_version, root)


@pytest.fixture(scope="module")
def one(place: Place) -> Ended:
    return place.train("one")


@pytest.fixture(scope="module")
def two(place: Place) -> Ended:
    return place.end("two", place.start("two", place.command("two", group(2))))


def assert_near(ended: Ended, other: Ended) -> None:
    for metric in ("auc", "logLoss", "baselineAuc", "ndcgAt10"):
        mine, theirs = ended.report["metrics"][metric], other.report["metrics"][metric]
        assert mine == pytest.approx(theirs, abs=TOLERANCE), metric


def test_two_processes_end_with_the_metrics_of_one_and_one_artifact(
    place: Place, one: Ended, two: Ended
) -> None:
    assert (one.code, two.code) == (0, 0), two.log
    assert_near(two, one)
    assert two.report["metrics"]["baselineAuc"] == one.report["metrics"]["baselineAuc"]
    lineage = [json.loads((place.root / n / "manifest.json").read_text()) for n in ("one", "two")]
    assert "processes" not in lineage[0]
    assert lineage[1]["processes"] == 2
    assert two.log.count("train: Done") == 1, "the first process alone reports"
    assert not (place.root / ".checkpoints").exists()
    assert not list(place.root.glob(".*.partial"))


def test_two_processes_that_update_rows_end_with_the_metrics_of_one(place: Place) -> None:
    settings = {**SETTINGS, "epochs": 4, "embeddingUpdates": "Rows", "retrieval": "Weights"}
    more = ["--config", json.dumps({"seed": 3, "hyperparameters": settings})]
    alone, both = place.train("one-rows", *more), place.train_by_two("two-rows", *more)
    assert (alone.code, both.code) == (0, 0), both.log
    assert "ranker items 61 x 8 by row" in both.log
    assert_near(both, alone)


@pytest.mark.parametrize("mode", ["AllWeights", "ItemEmbeddings"])
def test_two_processes_start_from_the_champion_as_one_does_and_towers_hold_nobody_up(
    place: Place, one: Ended, mode: str
) -> None:
    settings = {**SETTINGS, "epochs": 3, "retrieval": "Both"}
    config = {"seed": 3, "hyperparameters": settings, "warmStart": {"mode": mode}}
    more = [
        "--config", json.dumps(config), "--champion-artifact", str(place.root / "one"),
        "--champion-digest", one.report["digest"],
    ]  # fmt: skip
    alone = place.train(f"warm-{mode}", *more)
    shared = place.train_by_two(f"warm-two-{mode}", *more)
    assert (alone.code, shared.code) == (0, 0), shared.log
    assert_near(shared, alone)
    mine, theirs = (
        json.loads((place.root / name / "report.json").read_text())
        for name in (f"warm-two-{mode}", f"warm-{mode}")
    )
    assert mine["warmStart"]["warm"] is True
    assert mine["warmStart"] == theirs["warmStart"]
    assert mine["retrieval"] == theirs["retrieval"]
    ours, its = (told["learning"]["looks"][0] for told in (mine, theirs))
    assert ours == pytest.approx(its, abs=1e-6)


def test_a_killed_worker_begins_again_at_the_checkpoint_and_the_model_is_the_same(
    place: Place, two: Ended
) -> None:
    process = place.start("killed", place.command("killed", group(2, restarts=2)))
    try:
        wait_for_checkpoint(place.root / ".checkpoints", process)
        os.kill(worker(process.pid, rank=1), signal.SIGKILL)
        ended = place.end("killed", process)
    finally:
        process.kill()
    assert ended.code == 0, ended.log
    assert ended.log.count("resuming from epoch") == 2, ended.log
    assert_near(ended, two)
    models = [
        (place.root / name / "repository/recommender/1/model.pt").read_bytes()
        for name in ("two", "killed")
    ]
    assert models[0] == models[1], "to the last bit, by as many processes"
    assert not (place.root / ".checkpoints").exists()


def test_what_one_process_fails_for_is_in_the_report_of_the_first(place: Place) -> None:
    wrapper = place.root / "wrapper"
    wrapper.write_text(
        '#!/bin/sh\nif [ "$RANK" = 1 ]; then set -- "$@" --lake /nowhere; fi\n'
        f'exec {BIN / "recommender-training"} "$@"\n'
    )
    wrapper.chmod(0o755)
    command = place.command("blamed", group(2))
    command[command.index(str(BIN / "recommender-training"))] = str(wrapper)
    ended = place.end("blamed", place.start("blamed", command))
    assert ended.code == 1, "torchrun has no other"
    assert ended.report["ok"] is False
    assert ended.report["message"].startswith("process 1: "), ended.log
    assert "/nowhere" in ended.report["message"]
    assert not (place.root / "blamed").exists()


def test_a_full_disk_ends_no_fit_and_stages_no_half_artifact(place: Place, one: Ended) -> None:
    with small_disk(place.root / "disk", "12k") as disk:
        ended = place.train("roomless", "--checkpoints", str(disk))
        assert ended.code == 0, ended.log
        assert ended.log.count("cannot be written") == 1
        assert "ENOSPC: No space left on device" in ended.log
        assert ended.report["metrics"]["auc"] == one.report["metrics"]["auc"]
    with small_disk(place.root / "disk", "128k") as disk:
        ended = place.train("full", "--output", str(disk / "full"))
        assert (ended.code, ended.report["reason"]) == (1, "DiskFull"), ended.log
        assert "free space" in ended.report["message"]
        assert {path.name for path in disk.iterdir()} <= {".checkpoints"}


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + LIMIT_SECONDS
    while not list(folder.glob("*-first.checkpoint")):
        assert process.poll() is None, "it ended before its first checkpoint"
        assert time.monotonic() < until
        time.sleep(0.005)


def worker(parent: int, rank: int) -> int:
    """The process of this rank below torchrun."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            environment = (folder / "environ").read_bytes().split(b"\0")
            if int(status[1]) == parent and f"RANK={rank}".encode() in environment:
                return int(folder.name)
    raise AssertionError(f"torchrun {parent} has no worker {rank}")


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)
