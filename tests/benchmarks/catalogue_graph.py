"""One size of the catalogue benchmark: the time and memory of an untrained graph.

Its weights are random, as its answers are: the time of an answer depends on shapes alone. Counts,
factors of taste and item-to-item weights are fitted to generated events, features are declared as
a shop declares them.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from recommender_training.config.declaration import Declaration
from recommender_training.config.training import TrainingConfig
from recommender_training.data import dataset, schema
from recommender_training.data.dataset import Dataset
from recommender_training.data.lake import Tables
from recommender_training.evaluation import ranking
from recommender_training.export import build, torchscript
from recommender_training.export.request import shortlist
from recommender_training.features import attributes
from recommender_training.features.assembly import Constants
from recommender_training.features.item_content import content
from recommender_training.features.state import State
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models import item_weights, two_tower
from recommender_training.models.ranker import Ranker, RankerSize
from recommender_training.statistics.calibration import Calibration

USERS, EVENTS, START, DAYS, SEED = 20_000, 200_000, 1_700_000_000, 60, 17
BRANDS, GENRES, EMBEDDED = 200, 20, 16
DECLARED = {
    "users": [{"name": "tier", "kind": "Categorical", "coldStart": True}],
    "context": [{"name": "device", "kind": "Categorical"}],
    "items": [
        {"name": "price", "kind": "Numeric", "bands": 10},
        {"name": "brand", "kind": "Categorical"},
        {"name": "genre", "kind": "MultiCategorical"},
        {"name": "listed", "kind": "Timestamp"},
        {"name": "text", "kind": "Embedding", "length": EMBEDDED},
    ],
}
SESSION, THREADS, WARM_UP = 20, 2, 20


def catalogue(items: int) -> Dataset:
    """A shop with this number of items, of which a few have most events."""
    random, declared = np.random.default_rng(SEED), Declaration.model_validate(DECLARED)
    columns = schema.tables(declared)
    liked = np.minimum(items, np.ceil(items ** random.random(EVENTS))).astype(np.int64)
    frames: dict[str, dict[str, Any]] = {
        "interactions": {
            "user_id": random.integers(1, USERS + 1, EVENTS),
            "item_id": random.permutation(items)[liked - 1] + 1,
            "value": random.choice([1.0, 5.0], EVENTS, p=[0.7, 0.3]),
            "timestamp": np.sort(START + random.integers(0, DAYS * 86_400, EVENTS)),
            "device": random.choice(["phone", "desk"], EVENTS),
        },
        "users": {
            "user_id": np.arange(1, USERS + 1),
            "segment": np.full(USERS, "all"),
            "tier": random.choice(["gold", "plain", "new"], USERS),
        },
        "items": {
            "item_id": np.arange(1, items + 1),
            "title": np.full(items, ""),
            "price": random.lognormal(3, 1, items),
            "brand": random.integers(0, BRANDS, items).astype(str),
            "genre": [f"{one} {other}" for one, other in random.integers(0, GENRES, (items, 2))],
            "listed": START - random.integers(0, 1000, items) * 86_400,
            "text": [
                " ".join(map(str, row)) for row in random.integers(-9, 10, (items, EMBEDDED))
            ],
        },
    }
    tables = {
        name: pl.DataFrame({key: found[key] for key in columns[name].names() if key in found})
        for name, found in frames.items()
    }
    cast = {
        name: table.select(pl.col(key).cast(columns[name][key]) for key in table.columns)
        for name, table in tables.items()
    }
    return dataset.build(Tables(**cast, declaration=declared))


def make(path: Path, items: int) -> dict[str, Any]:
    """Write the graph of the ranker over this number of items."""
    torch.manual_seed(SEED)
    data, settings = catalogue(items), TrainingConfig().hyperparameters
    plan, frozen = settings.list_plan(items), Constants(3.0, 0.3, settings.features)
    every = np.ones(len(data.events), dtype=np.bool_)
    length, width = settings.history_length, settings.embedding_dim
    size = two_tower.TowerSize(attributes.sizes(data), width, length, 0.0, settings.retrieval_loss)
    towers = two_tower.create(data, data.events.item[data.events.label], size)
    known = build.Knowledge(
        data,
        frozen,
        State.at(data, None, frozen.groups),
        None if plan.weights is None else item_weights.fit(data, every, plan.weights),
        length,
        RetrievalModels(plan, towers),
    )
    read = ranking.Known(data, frozen, known.state, length)
    request = ranking.Request(0, np.zeros(0, dtype=np.int64), START, np.zeros(1, np.float32))
    one = read.inputs([request], np.zeros((1, 1), dtype=np.int64))
    numbers = torch.cat([one.numbers, one.taste, one.extra], 1)[0]
    shape = RankerSize(data.users.count, attributes.sizes(data), width, 0.0, 0.0)
    model = Ranker(shape, content(data.items), torch.zeros_like(numbers), numbers * 0 + 1).eval()
    torchscript.save(build.ranker_module(model, known, Calibration()), path)
    return {"artifact_mb": round(path.stat().st_size / 1e6, 1), **plan.facts}


def requests(items: int, count: int) -> list[tuple[Tensor, ...]]:
    """Requests with sessions of known items."""
    random, now = np.random.default_rng(SEED), START + DAYS * 86_400
    made = list[tuple[Tensor, ...]]()
    for number in range(count):
        session = np.minimum(items, np.ceil(items ** random.random((1, SESSION)))).astype(np.int64)
        made.append(
            (
                torch.tensor([[number % USERS + 1]]),
                torch.tensor([[float("nan"), 1.0]]),
                torch.from_numpy(session),
                now - 600 + torch.arange(SESSION)[None],
                torch.full((1, SESSION), 5.0),
                torch.tensor([[now]]),
                torch.tensor([[10]]),
            )
        )
    return made


def ask(path: Path, items: int, calls: int) -> dict[str, Any]:
    """Milliseconds of single requests, memory of the loaded graph, and the scan by itself."""
    torch.set_num_threads(THREADS)
    before = _resident_mb()
    model = torchscript.load(path)
    asked = requests(items, 50)
    with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        for one in asked[:WARM_UP]:
            model(*one)
        times = sorted(_ms(model, *asked[n % len(asked)]) for n in range(calls))
        return {
            "p50_ms": round(times[len(times) // 2], 2),
            "p99_ms": round(times[int(len(times) * 0.99)], 2),
            "memory_mb": round(_resident_mb() - before),
            **_scan(model),
        }


def _scan(model: Any) -> dict[str, float]:
    """The scan and the reading of what it reads, in turn; and what it misses of the best."""
    request = torch.randn(1, model.tower_items.size(0))
    count = model.candidates or 500

    def scan() -> tuple[Tensor, Tensor]:
        return shortlist(torch.addmm(model.standing, request, model.tower_items), count)

    pairs = [(_ms(scan), _ms(lambda: model.tower_items.sum())) for _ in range(40)]
    scanned, read = (float(np.median([pair[place] for pair in pairs[5:]])) for place in (0, 1))
    order = torch.addmm(model.standing, request, model.tower_items)
    found, exact = set(scan()[0][0].tolist()), torch.topk(order, count, 1).indices[0].tolist()
    return {
        "scan_ms": round(scanned, 3),
        "read_ms": round(read, 3),
        "bound_ratio": round(scanned / read, 2),
        "candidate_recall": len(found.intersection(exact)) / count,
    }


def _ms(call: Callable[..., Any], *inputs: Tensor) -> float:
    began = time.perf_counter()
    call(*inputs)
    return 1000 * (time.perf_counter() - began)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["make", "ask"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--calls", type=int, default=300)
    arguments = parser.parse_args()
    if arguments.step == "make":
        told = make(arguments.path, arguments.items)
    else:
        told = ask(arguments.path, arguments.items, arguments.calls)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
