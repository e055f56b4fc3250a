"""Catalogues of several sizes: time and memory of an answer, and a whole training.

An untrained graph of each size answers single requests in a separate process, as Triton runs it
(`catalogue_graph`): its time depends on shapes alone. `bound_ratio` is the time of the exact scan
of the largest catalogue, its choice of candidates included, over the time to read the same memory
once, in turn. `candidate_recall` is the share of the exact best of the first stage that are found,
of 50 requests on average. From a million items on, pages of items are measured beside the exact
scan (`paged`); `index_s` is the time to make them and to measure what they find.

The training is that of `stream_training`: 200,000 generated events of 50,000 items, one epoch,
from the lake to the staged artifact. Its own requests are then asked twice, with the candidates
and with every item scored: `list_recall` is the share of the ten best that both lists have.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recommender_contract.resource.hyperparameters import ItemIndex
from recommender_training.artifact import triton
from recommender_training.config.training import TrainingConfig
from recommender_training.data import load
from recommender_training.data.sessions import sample_session_requests
from recommender_training.data_checks import sample
from recommender_training.export import torchscript
from recommender_training.export.tensors import to_tensors
from tests.benchmarks.machine import machine

SIZES = (1_700, 50_000, 200_000, 1_000_000, 2_000_000)
#: From so many items on both ways are measured.
BOTH_WAYS = 1_000_000
#: Reported of each size.
BY_SIZE = (
    "p50_ms", "p99_ms", "memory_mb", "artifact_mb", "candidate_recall", "candidates",
    "least_recall", "index_s", "scan_ms", "index",
)  # fmt: skip
TRAINED_ITEMS, TRAINED_EVENTS, ASKED, TOP = 50_000, 200_000, 200, 10


def size(folder: Path, items: int, index: ItemIndex, asked: list[str]) -> dict[str, Any]:
    """Figures of one size, each step in a separate process."""
    path = folder / f"{items}.pt"
    told: dict[str, Any] = {}
    common = ["--items", str(items), "--index", index.value, *asked]
    for step in ("make", "ask"):
        told |= _last_line("catalogue_graph", step, str(path), *common)
    path.unlink()
    print(f"{items} items, {index.value}: {told}", file=sys.stderr, flush=True)
    return told


def sizes(folder: Path, items: list[int], asked: list[str]) -> dict[str, dict[str, Any]]:
    """Figures of all sizes; of the largest ones with the exact scan and with pages."""
    found = {str(n): size(folder, n, ItemIndex.EXACT, asked) for n in items}
    paged = [n for n in items if n >= BOTH_WAYS]
    return found | {f"{n} paged": size(folder, n, ItemIndex.APPROXIMATE, asked) for n in paged}


def training(folder: Path) -> dict[str, Any]:
    """Seconds and memory of a whole training, and what its candidates miss."""
    common = ["--folder", str(folder), "--rows", str(TRAINED_EVENTS)]
    common += ["--items", str(TRAINED_ITEMS)]
    steps = {
        step: _last_line("stream_training", "--step", step, *common)
        for step in ("generate", "ingest", "whole")
    }
    print(f"training: {steps}", file=sys.stderr, flush=True)
    return {
        "train_s": steps["whole"]["seconds"],
        "train_rss_gb": steps["whole"]["peak_rss_gib"],
        "train_auc": steps["whole"]["auc"],
        "list_recall": list_recall(folder),
    }


def list_recall(folder: Path) -> float:
    """Share of the ten best of every item that the candidates' list has."""
    words = json.loads((folder / "staged" / "vocabulary.json").read_text())
    side, data = load.load_dataset(folder / "lake", (folder / "version").read_text(), None)
    events, config = sample.of_users(data), TrainingConfig()
    drawn = sample_session_requests(
        events, side.users, side.items, config.seed, declared=side.declaration, top_n=TOP
    )
    requests = [request for request in drawn if request["session"]][:ASKED]
    graph = torchscript.load(triton.model_path(folder / "staged"))
    shortlisted = _lists(graph, requests, words)
    graph.candidates = 0  # every item
    every = _lists(graph, requests, words)
    shared = [len(set(one) & set(other)) for one, other in zip(shortlisted, every, strict=True)]
    return round(float(np.mean(shared)) / TOP, 4)


def _lists(graph: Any, requests: list[dict[str, Any]], words: dict[str, Any]) -> list[list[int]]:
    with torch.inference_mode():
        return [graph(*to_tensors([one], words))[0][0].tolist() for one in requests]


def _last_line(module: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def summary(found: Mapping[str, dict[str, Any]], trained: Mapping[str, Any]) -> dict[str, Any]:
    """The figures by size, the bound of the largest exact catalogue, and those of the training."""
    largest = found[max((n for n in found if n.isdigit()), key=int)]
    return {
        **{name: {n: each[name] for n, each in found.items()} for name in BY_SIZE},
        "bound_ratio": largest["bound_ratio"],
        "ratio": largest["bound_ratio"],
        **trained,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2, help="1: times of the processor")
    parser.add_argument("--no-training", action="store_true", help="the answers alone")
    arguments = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        asked = ["--calls", str(arguments.calls), "--threads", str(arguments.threads)]
        found = sizes(Path(folder), sorted(arguments.sizes), asked)
        trained = {} if arguments.no_training else training(Path(folder))
    result = {
        "benchmark": "catalogue",
        "compared": "the scan of the largest catalogue with reading its memory once",
        **summary(found, trained),
        "machine": machine(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "seconds": round(time.perf_counter() - began),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
