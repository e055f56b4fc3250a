"""A large training from raw files to the published artifact: wall clock and memory by stage.

Each step (generate, ingest, train, publish) is a separate process, and the kernel reports its
peak. The stages of the training have the peak of its process up to their end. One epoch of the
ranker with batches of 2048, then all of `recommender-training train`: regression, refit, towers,
item-to-item weights, evaluation, reference, export. The data are those of `large_data`.

The last line is one JSON object. Defaults: 20 million events of 200,000 items.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from recommender_contract.resource.hyperparameters import EmbeddingUpdates
from recommender_training.artifact import store
from recommender_training.config.training import TrainingConfig
from recommender_training.pipeline import training
from tests.benchmarks import large_data, stream_training
from tests.benchmarks.machine import machine

ROWS, ITEMS, BATCH = 20_000_000, 200_000, 2048
#: Parts of `training.train` by the name of their stage.
STAGES = {"read": "_read", "fit": "_fit", "evaluate": "_evaluate", "export": "_stage"}
STEPS = ("generate", "ingest", "train", "publish")


def train(folder: Path, updates: EmbeddingUpdates, threads: int) -> dict[str, Any]:
    """The whole training, with the time and the peak of each of its stages."""
    settings = TrainingConfig().hyperparameters.model_copy(
        update={"epochs": 1, "batch_size": BATCH, "embedding_updates": updates}
    )
    config = TrainingConfig(hyperparameters=settings)
    stages: dict[str, Any] = {}
    for name, function in STAGES.items():
        setattr(training, function, _timed(name, getattr(training, function), stages))
    version = (folder / "version").read_text()
    run = training.TrainingRun(
        folder / "lake", version, config, folder / "staged", threads=threads
    )
    result = training.train(run)
    (folder / "digest").write_text(result.digest)
    return {
        "rows": result.rows,
        "auc": round(result.metrics["auc"], 4),
        "baseline_auc": round(result.metrics["baselineAuc"], 4),
        "embeddings": result.report["embeddings"],
        "stages": stages,
    }


def _timed(name: str, function: Callable[..., Any], stages: dict[str, Any]) -> Callable[..., Any]:
    def measured(*arguments: Any) -> Any:
        began = time.perf_counter()
        found = function(*arguments)
        stages[name] = {"seconds": _since(began), "peak_rss_gib": _peak_gib()}
        return found

    return measured


def publish(folder: Path) -> dict[str, Any]:
    """Copy the staged artifact into a store, verified."""
    digest = (folder / "digest").read_text()
    target = folder / "artifacts" / "large"
    store.publish(folder / "staged", digest, target)
    published = target / store.artifact_name(digest)
    size = sum(path.stat().st_size for path in published.rglob("*") if path.is_file())
    return {"digest": digest, "artifact_mb": round(size / 1e6, 1)}


def _step(arguments: argparse.Namespace) -> dict[str, Any]:
    """One step in this process."""
    began, folder = time.perf_counter(), arguments.folder
    if arguments.step == "generate":
        found = large_data.write(folder, arguments.rows, arguments.items)
    elif arguments.step == "ingest":
        found = stream_training.ingest(folder)
    elif arguments.step == "train":
        found = train(folder, EmbeddingUpdates(arguments.updates), arguments.threads)
    else:
        found = publish(folder)
    cpu = round(time.process_time(), 1)
    return {**found, "seconds": _since(began), "cpu_seconds": cpu, "peak_rss_gib": _peak_gib()}


def _run(step: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "tests.benchmarks.large", "--step", step, "--folder", str(folder),
        "--rows", str(arguments.rows), "--items", str(arguments.items),
        "--updates", arguments.updates, "--threads", str(arguments.threads),
    ]  # fmt: skip
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{step}: {found}", file=sys.stderr, flush=True)
    return found


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 1)


def _peak_gib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--updates", choices=[each.value for each in EmbeddingUpdates],
                        default=EmbeddingUpdates.AUTO.value)  # fmt: skip
    parser.add_argument("--work", type=Path, help="folder for the files; temporary if absent")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(_step(arguments)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        steps = {step: _run(step, Path(folder), arguments) for step in STEPS}
    trained = steps["train"]
    result = {
        "benchmark": "large",
        "rows": trained["rows"],
        "items": arguments.items,
        "seconds": round(sum(steps[step]["seconds"] for step in STEPS[1:]), 1),
        "peak_rss_gib": max(steps[step]["peak_rss_gib"] for step in STEPS[1:]),
        "auc": trained["auc"],
        "steps": steps,
        "threads": arguments.threads,
        "machine": machine(),
        "versions": {"torch": torch.__version__},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
