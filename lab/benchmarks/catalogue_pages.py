"""The first stage alone, of a catalogue of any size: an exact scan and cells of items, in turn.

No graph and no towers are made, so that millions of items are quick. Vectors are sums of those of
a brand, two genres, a band of the price and of the age, and sixteen numbers; what orders items by
themselves is the log of a Zipf popularity. Requests are means of the vectors of twenty items near
one another in popularity, less the mean of all requests: half of the variance of the order of
items follows from the request. `--own` adds vectors that nothing explains, in shares of the
deviation of the others: the larger, the less cells can know.

Times are of the processor, with one thread, so that other work on the machine counts less. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import ItemIndex
from recommender_training.common.arrays import Floats
from recommender_training.config.lists import CANDIDATES, ListPlan
from recommender_training.export import item_pages
from recommender_training.export.item_pages import IvfServing
from recommender_training.export.request import places_of, shortlist
from recommender_training.fitted import ivf_selection
from recommender_training.fitted.retrieval import RetrievalModels
from tests.benchmarks.machine import machine

WIDTH, SESSION, ASKED, SEED = 32, 20, 100, 17
#: Values of each declared feature of the items.
VALUES = (200, 20, 20, 10, 16)


class Pages(IvfServing):
    """The cells by themselves."""

    def __init__(self, buffers: dict[str, Tensor], standing: Tensor, read: int) -> None:
        super().__init__()
        self.pages_read = read
        for name, value in {**buffers, "standing": standing}.items():
            self.register_buffer(name, value.contiguous())

    def forward(self, request: Tensor) -> Tensor:
        nobody = torch.zeros(1, 1, dtype=torch.int64)
        none = torch.zeros(1, 1)
        return self.best_of_pages(request, nobody, none, nobody - 1, 500)[0]


def shop(items: int, own: float) -> tuple[Floats, Floats, Floats]:
    """Vectors [I, D], standing [I] and requests [Q, D]."""
    random = np.random.default_rng(SEED)
    vectors = random.normal(size=(items, 16)).astype("f4") @ _table(random, 16)
    for count in VALUES:
        vectors += _table(random, count)[random.integers(0, count, items)]
    spread = float(vectors[:10_000].std())
    vectors += (own * spread * random.normal(size=vectors.shape)).astype("f4")
    place = random.permutation(items)
    standing = -np.log1p(place).astype("f4")
    by_place = np.argsort(place)
    first = (items ** random.random(ASKED + ivf_selection.SAMPLED)).astype(np.int64)
    sessions = first[:, None] + random.integers(0, SESSION * 10, (len(first), SESSION))
    requests = vectors[by_place[sessions.clip(max=items - 1)]].mean(1)
    requests -= requests.mean(0)
    requests *= standing.std() / (requests[:50] @ vectors[::50].T).std(1).mean()
    return vectors, standing, requests.astype("f4")


def _table(random: np.random.Generator, count: int) -> Floats:
    return np.asarray(random.normal(size=(count, WIDTH)) / WIDTH**0.5, dtype=np.float32)


def measure(items: int, own: float) -> dict[str, Any]:
    """Both ways over one catalogue."""
    vectors, standing, requests = shop(items, own)
    wanted = RetrievalModels(ListPlan(None, CANDIDATES, ItemIndex.APPROXIMATE))
    sample = ivf_selection.FirstStageSample(vectors, standing, requests[None, ASKED:])
    began = time.process_time()
    found = ivf_selection.select_index(wanted, sample, SEED)
    told: dict[str, Any] = {
        "items": items,
        "own": own,
        "index_cpu_s": round(time.process_time() - began, 1),
    }
    told |= found.index
    room = places_of(items) - items - 1
    whole = torch.nn.functional.pad(torch.from_numpy(standing), (1, room), value=float("-inf"))
    padded = np.zeros((places_of(items), WIDTH), dtype=np.float32)
    padded[1 : items + 1] = vectors
    exact = torch.from_numpy(np.ascontiguousarray(padded.T))
    asked = torch.from_numpy(requests[:ASKED])

    def scan(request: Tensor) -> Tensor:
        return shortlist(torch.addmm(whole, request, exact), CANDIDATES)[0]

    told |= _times("exact", scan, asked)
    told["read_ms"] = _times("read", lambda _: exact.sum(), asked)["read_p50_ms"]
    if found.ivf is not None:
        table = torch.from_numpy(padded[: items + 1])
        made = item_pages.buffers(found.ivf, table, whole, standing)
        graph = torch.jit.script(Pages(made, whole, found.ivf.probes))
        told |= _times("pages", graph, asked)
        told["pages_mb"] = round(sum(each.nbytes for each in graph.buffers()) / 1e6)
        told |= _recall(scan, graph, asked)
    told["exact_mb"] = round((exact.nbytes + whole.nbytes) / 1e6)
    told["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    return told


def _recall(
    scan: Callable[[Tensor], Tensor], cells: Callable[[Tensor], Tensor], asked: Tensor
) -> dict[str, float]:
    """Shares of the exact candidates, and of the first 50 of them, that cells find."""
    shares, first = list[float](), list[float]()
    for one in asked:
        best, found = scan(one[None])[0].tolist(), {*cells(one[None])[0].tolist()}
        shares.append(len(found.intersection(best)) / len(best))
        first.append(len(found.intersection(best[:50])) / 50)
    told = {"recall": float(np.mean(shares)), "least": min(shares)}
    told["recall_of_first_50"] = float(np.mean(first))
    return {name: round(value, 4) for name, value in told.items()}


def _times(name: str, call: Callable[[Tensor], Any], asked: Tensor) -> dict[str, float]:
    times = []
    with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        for one in asked:
            began = time.process_time()
            call(one[None])
            times.append(1000 * (time.process_time() - began))
    times = sorted(times[10:])
    at = {"p50": len(times) // 2, "p99": int(len(times) * 0.99)}
    return {f"{name}_{key}_ms": round(times[place], 2) for key, place in at.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=(1_000_000, 2_000_000))
    parser.add_argument("--own", type=float, nargs="+", default=(0.0, 0.5))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [measure(items, own) for items in arguments.items for own in arguments.own]
    print(json.dumps({"benchmark": "catalogue_pages", "rows": rows, "machine": machine()}))


if __name__ == "__main__":
    main()
