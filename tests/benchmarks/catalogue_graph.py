"""One size of the catalogue benchmark: the time and memory of an untrained graph.

Its weights are random, as its answers are: the time of an answer depends on shapes alone. Counts,
factors of taste and item-to-item weights are fitted to generated events, features are declared as
a shop declares them. As after a fit, items without an event have the unknown one's id vector, so
that the towers tell them apart by their features, and requests differ (`even_out`).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import ItemIndex
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.config.training import TrainingConfig
from recommender_training.data import dataset, schema
from recommender_training.data.dataset import Dataset
from recommender_training.data.version_content import Tables
from recommender_training.evaluation import ranking_metrics
from recommender_training.export import build, torchscript
from recommender_training.export.request import shortlist
from recommender_training.features import attributes
from recommender_training.features.assembly import Constants
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.item_content import content
from recommender_training.fitted import ivf_selection
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models import item_weights, two_tower
from recommender_training.models.ranker import Ranker, RankerSize
from recommender_training.statistics.calibration import Calibration
from recommender_training.trainer import fit_towers

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
SESSION, THREADS, WARM_UP, ASKED = 20, 2, 20, 50


def catalogue(items: int) -> Dataset:
    """A shop with this number of items, of which a few have most events."""
    random, declared = np.random.default_rng(SEED), FeatureSchema.model_validate(DECLARED)
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
    return dataset.build_dataset(Tables(**cast, declaration=declared))


def make(path: Path, items: int, index: ItemIndex) -> dict[str, Any]:
    """Write the graph of the ranker over this number of items."""
    torch.manual_seed(SEED)
    data, settings = catalogue(items), TrainingConfig().hyperparameters
    settings = settings.model_copy(update={"item_index": index})
    plan, frozen = settings.list_plan(items), Constants(3.0, 0.3, settings.features)
    every = np.ones(len(data.events), dtype=np.bool_)
    length, width = settings.history_length, settings.embedding_dim
    size = two_tower.TowerSize(attributes.sizes(data), width, length, 0.0, settings.retrieval_loss)
    towers = two_tower.create_towers(data, data.events.item[data.events.label], size)
    fit_towers.hide_unseen(towers, data.events.item)
    known = build.ExportInputs(
        data,
        frozen,
        CatalogueState.at(data, None, frozen.groups),
        None if plan.weights is None else item_weights.fit(data, every, plan.weights),
        length,
        RetrievalModels(plan, towers),
    )
    read = ranking_metrics.Known(data, frozen, known.state, length)
    request = ranking_metrics.Request(
        0, np.zeros(0, dtype=np.int64), START, np.zeros(1, np.float32)
    )
    one = read.inputs([request], np.zeros((1, 1), dtype=np.int64))
    numbers = torch.cat([one.numbers, one.taste, one.extra], 1)[0]
    shape = RankerSize(data.users.count, attributes.sizes(data), width, 0.0, 0.0)
    model = Ranker(shape, content(data.items), torch.zeros_like(numbers), numbers * 0 + 1).eval()
    even_out(known.sources, sample(build.ranker_module(model, known, Calibration()), known, items))
    graph, began = build.ranker_module(model, known, Calibration()), time.perf_counter()
    if ivf_selection.index_wanted(known.sources):
        sources = ivf_selection.select_index(known.sources, sample(graph, known, items), SEED)
        graph = build.ranker_module(model, replace(known, sources=sources), Calibration())
        plan_facts = {**plan.facts, **sources.index}
    else:
        plan_facts = {**plan.facts, **known.sources.index}
    seconds = round(time.perf_counter() - began, 1)
    torchscript.save(graph, path)
    size_mb = round(path.stat().st_size / 1e6, 1)
    return {"artifact_mb": size_mb, "index_s": seconds, **plan_facts}


def sample(graph: Any, known: build.ExportInputs, items: int) -> ivf_selection.FirstStageSample:
    """What pages are made from and measured by; none of the requests that are asked later."""
    asked = requests(items, ASKED + ivf_selection.SAMPLED)[ASKED:]
    vectors = torch.cat([request_vector(graph, one) for one in asked])
    standing = known.sources.standing(known.state.counts)
    return ivf_selection.FirstStageSample(
        known.sources.item_vectors()[1:].numpy(), standing, vectors.numpy()[None]
    )


def even_out(sources: RetrievalModels, found: ivf_selection.FirstStageSample) -> None:
    """Move and scale what the towers make of requests: half of the variance of the order of items
    is that of the item alone, and half that of the request, without what all requests share.

    Untrained towers hardly tell requests apart, so the same few items would be the candidates of
    all, and any index would find them.
    """
    assert sources.towers is not None
    mean = found.requests[0].mean(0)
    lift = (found.requests[0] - mean) @ found.vectors[::50].T
    factor = float(found.standing.std() / lift.std(1).mean())
    with torch.no_grad():
        sources.towers.down.bias.sub_(torch.from_numpy(mean) / sources.order.lift)
        for each in (sources.towers.out, sources.towers.down):
            for weights in each.parameters():
                weights.mul_(factor)


def request_vector(graph: Any, one: tuple[Tensor, ...]) -> Tensor:
    """[1, D] what the towers make of a request."""
    user, features, items, times, values, now, _ = one
    with torch.inference_mode():
        session = graph.last_events(items, times, values, now)
        _, side = graph.read_user(user, features, now)
        found: Tensor = graph.request_vectors(session, side, now)
    return found


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


def ask(path: Path, items: int, calls: int, threads: int) -> dict[str, Any]:
    """Milliseconds of single requests, memory of the loaded graph, and the scan by itself."""
    torch.set_num_threads(threads)
    before = _resident_mb()
    model = torchscript.load(path)
    asked = requests(items, ASKED)
    with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        for one in asked[:WARM_UP]:
            model(*one)
        times = sorted(_ms(model, *asked[n % len(asked)]) for n in range(calls))
        return {
            "p50_ms": round(times[len(times) // 2], 2),
            "p99_ms": round(times[int(len(times) * 0.99)], 2),
            "memory_mb": round(_resident_mb() - before),
            **_scan(model, [request_vector(model, one) for one in asked]),
        }


def _scan(model: Any, asked: list[Tensor]) -> dict[str, float]:
    """The scan and the reading of all that an exact one reads, in turn; and what it misses."""
    count, none = model.candidates or 500, torch.zeros(1, 1)

    def scan(request: Tensor) -> Tensor:
        if model.pages_read:
            nobody = torch.zeros(1, 1, dtype=torch.int64)
            places, _ = model.best_of_pages(request, nobody, none, nobody - 1, count)
        else:
            order = torch.addmm(model.standing, request, model.tower_items)
            places, _ = shortlist(order, count)
        return torch.as_tensor(places)

    pairs = [(_ms(scan, asked[n % len(asked)]), _ms(model.tower_items.sum)) for n in range(40)]
    scanned, read = (float(np.median([pair[place] for pair in pairs[5:]])) for place in (0, 1))
    shares = [
        len({*scan(one)[0].tolist()} & {*_exact(model, one, count)}) / count for one in asked
    ]
    return {
        "scan_ms": round(scanned, 3),
        "read_ms": round(read, 3),
        "bound_ratio": round(scanned / read, 2),
        "candidate_recall": round(float(np.mean(shares)), 4),
        "least_recall": round(min(shares), 4),
    }


def _exact(model: Any, request: Tensor, count: int) -> list[int]:
    """The places of the best of the first stage, of all items."""
    if not model.pages_read:
        order = torch.addmm(model.standing, request, model.tower_items)[0]
        return torch.topk(order, count).indices.tolist()
    order = torch.mv(model.tower_items[:-1], request[0]) + model.page_standing
    best = torch.topk(order, count).indices
    found: list[int] = model.page_items[best].tolist()
    return found


def _ms(call: Callable[..., Any], *inputs: Tensor) -> float:
    """Milliseconds; with one thread of the processor, so that other work does not count."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    call(*inputs)
    return 1000 * (clock() - began)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["make", "ask"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--index", type=ItemIndex, default=ItemIndex.AUTO)
    arguments = parser.parse_args()
    if arguments.step == "make":
        told = make(arguments.path, arguments.items, arguments.index)
    else:
        told = ask(arguments.path, arguments.items, arguments.calls, arguments.threads)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
