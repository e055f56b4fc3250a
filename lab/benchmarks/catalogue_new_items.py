"""New items in the lists of a large catalogue: whether candidates and answers ever have one.

A generated shop whose items are three tenths created during the log. Models are fitted on the days
before the test days, and the graph is exported with what was known when these began; then it is
asked for a list by users of the test days, at their end. So it knows the columns of the items that
were created meanwhile, and no event of them. New are the items without an event that were created
during the log: in a large catalogue many older ones were never shown either (`never_shown`).
`compared` of the items without an event are compared for a place (`fitted.new_items`).

Each form of the first stage (`--forms`) is asked twice, without and with candidates kept for new
items: as where users chose the labelled items by themselves, as where these were shown to them
(ADR 0065), and with cells of items. The gain of an item is its true odds of a click, so that no
chance of a click decides.

- `share_candidates`, `share_top`: of new items among the candidates and the ten of a list.
- `reached`: share of the ten new items with the largest true odds that are candidates.
- `ndcg_new`: NDCG@10 where the gain of all other items is 0: held-out requests whose answer is a
  new item, in the full catalogue. `ndcg_all`: where all items have their gain.
- `request_ms`: CPU time of an answer, median, one thread.
- `random`: lists of random items. `one_random`, `one_best`: the list without the new source, whose
  last place has a random new item, or the one with the largest true odds.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from lab.benchmarks.catalogue_worth import Asking, Worth, ndcg_of_chance
from recommender_contract.resource.hyperparameters import ItemIndex, Retrieval
from recommender_examples import shop
from recommender_examples.shop_settings import Settings
from recommender_examples.shop_world import DAY_MS, START_MS, World
from recommender_training.common.arrays import Bools, Ints
from recommender_training.evaluation import ranking_metrics
from recommender_training.export import build, parity
from recommender_training.export.build import ExportInputs
from recommender_training.export.ranker import RankerServing
from recommender_training.export.request import no_trends, read_session
from recommender_training.features import assembly
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.fitted import new_items
from recommender_training.fitted.ivf_selection import FirstStageSample
from recommender_training.fitted.order_weights import SHOWN_ITEMS
from recommender_training.models import item_weights, ivf_index
from tests.benchmarks import schema_models
from tests.benchmarks.machine import machine
from tests.benchmarks.schema_new_items import MAX_USERS, TOP_K, requests_at

THREADS = 1
#: As where users chose the labelled items, as where these were shown, and with cells of items.
FORMS = ("chosen", "shown", "pages")
#: A page in so many is read: enough to see what cells leave out.
READ_ONE_IN = 8


@dataclass(frozen=True)
class Asked:
    """The requests, and the truth about them."""

    requests: list[ranking_metrics.Request]
    asking: Asking
    new: Bools  # [I]
    of_new: Worth
    of_all: Worth


@dataclass(frozen=True)
class Lists:
    """What a graph answers."""

    candidates: Ints  # [R, C]
    top: Ints  # [R, K]
    milliseconds: float  # CPU time of an answer, median


def run(
    folder: Path, settings: Settings, seed: int, requests: int, names: Sequence[str]
) -> dict[str, Any]:
    """One shop: figures of the forms of the first stage with these names."""
    began = time.process_time()
    shop.write(folder, settings, seed)
    model = schema_models.train(folder, seed, shop.mapping(), settings.days, Retrieval.BOTH)
    fitted = time.process_time()
    world, known = World.of(settings, seed), knowledge(model)
    asked = truth(model, folder, world, known, requests)
    found = {name: figures(model, each, asked) for name, each in forms(model, known, names)}
    plain = lists_of(model, without_source(known), asked)
    events = known.state.counts.events
    return {
        "seed": seed,
        "items": known.data.items.count,
        "new_items": int(asked.new.sum()),
        "never_shown": int((events == 0).sum() - asked.new.sum()),
        "compared": len(new_items.new_items_of(known.sources, events, known.data).rows),
        "requests": len(asked.requests),
        "mean_events": round(float(events.mean()), 1),
        "random": {
            "ndcg_new": round(float(ndcg_of_chance(asked.of_new).mean()), 4),
            "ndcg_all": round(float(ndcg_of_chance(asked.of_all).mean()), 4),
        },
        **{name: scored(top, asked) for name, top in insertions(plain.top, asked)},
        **found,
        "fit_cpu_s": round(fitted - began),
        "asked_cpu_s": round(time.process_time() - fitted),
    }


def knowledge(model: schema_models.Trained) -> ExportInputs:
    """What the graph knows at the start of the test days, and the newest table of items."""
    prepared, data = model.prepared, model.prepared.data
    start = int(data.events.time[prepared.split.test[0]])
    state = CatalogueState.at(data, start, prepared.constants.groups)
    sources = model.bundle.sources
    form = sources.plan.weights
    assert form is not None
    weights = item_weights.fit(data, data.events.time < start, form)
    return ExportInputs(data, prepared.constants, state, weights, prepared.history_length, sources)


def truth(
    model: schema_models.Trained, folder: Path, world: World, known: ExportInputs, most: int
) -> Asked:
    """At most so many requests at the end of the test days, and what lists are worth to them."""
    end = (START_MS + world.settings.days * DAY_MS) // 1000
    requests = requests_at(known.data, model.prepared, end, most)
    users, items = schema_models.places_in_world(folder, known.data)
    asking = np.array([each.user for each in requests], dtype=np.int64)
    new = (known.state.counts.events == 0) & (world.items.created[items] >= START_MS)
    asked = Asking(world, users[asking], items, end)
    return Asked(requests, asked, new, *asked.worth(new, np.ones_like(new)))


def without_source(known: ExportInputs) -> ExportInputs:
    """The same without candidates that are kept for new items."""
    plan = replace(known.sources.plan, for_new=0)
    return replace(known, sources=replace(known.sources, plan=plan))


def forms(
    model: schema_models.Trained, known: ExportInputs, names: Sequence[str]
) -> Iterator[tuple[str, ExportInputs]]:
    """Each form of the first stage, without and with the source of new items."""
    for name in names:
        form = form_of(name, model, known)
        yield f"{name}_without", without_source(form)
        yield f"{name}_with", form


def form_of(name: str, model: schema_models.Trained, known: ExportInputs) -> ExportInputs:
    """The form of the first stage of this name, one of FORMS."""
    if name == "shown":
        return replace(
            known, sources=replace(known.sources, order=known.sources.order.scaled(SHOWN_ITEMS))
        )
    return paged(model, known) if name == "pages" else known


def paged(model: schema_models.Trained, known: ExportInputs) -> ExportInputs:
    """The same with cells, of which a part is read."""
    sources, end = known.sources, int(known.data.events.time[-1])
    task = ranking_metrics.reveal_half(
        known.data, model.prepared.split.validation, model.prepared.history_length
    )
    batch = ranking_metrics.together(known.data, task.requests, known.history_length)
    inputs = assembly.of_requests(known.data, known.constants, batch)
    items = sources.item_vectors()
    sample = FirstStageSample(
        items[1:].numpy(),
        sources.standing(known.state.counts),
        sources.request_vectors(inputs, items)[None],
    )
    ivf = ivf_index.build_index(sample.vectors, sample.standing, sample.requests[0], end)
    ivf = replace(ivf, probes=max(10, ivf.cells // READ_ONE_IN))
    plan = replace(sources.plan, index=ItemIndex.APPROXIMATE)
    return replace(known, sources=replace(sources, plan=plan, ivf=ivf))


def figures(model: schema_models.Trained, known: ExportInputs, asked: Asked) -> dict[str, float]:
    """Of one form."""
    found = lists_of(model, known, asked)
    best = zip(asked.of_new.best, found.candidates, strict=True)
    reached = [np.isin(wanted, candidates).mean() for wanted, candidates in best]
    return {
        "share_candidates": round(float(asked.new[found.candidates].mean()), 4),
        "share_top": round(float(asked.new[found.top].mean()), 4),
        "reached": round(float(np.mean(reached)), 4),
        **scored(found.top, asked),
        "request_ms": round(found.milliseconds, 2),
    }


def scored(top: Ints, asked: Asked) -> dict[str, float]:
    """NDCG of lists [R, K]."""
    return {
        "ndcg_new": round(float(asked.asking.ndcg(top, asked.of_new).mean()), 4),
        "ndcg_all": round(float(asked.asking.ndcg(top, asked.of_all).mean()), 4),
    }


def insertions(top: Ints, asked: Asked) -> Iterator[tuple[str, Ints]]:
    """The lists [R, K] with a new item at their last place."""
    random, new = np.random.default_rng(0), np.flatnonzero(asked.new)
    for name, item in (
        ("one_random", random.choice(new, len(top))),
        ("one_best", asked.of_new.best[:, 0]),
    ):
        yield name, np.c_[top[:, :-1], item]


def lists_of(model: schema_models.Trained, known: ExportInputs, asked: Asked) -> Lists:
    """What the exported graph answers to each request."""
    assert model.bundle.deep is not None
    graph = build.ranker_module(model.bundle.deep, known, model.bundle.deep_calibration)
    ids, candidates, top, seconds = known.data.items.ids, [], [], []
    for request in asked.requests:
        tensors = parity._request(known, request)
        with torch.inference_mode():
            candidates.append(candidates_of(graph, tensors))
            began = time.process_time()
            served, _ = graph(*tensors, torch.tensor([[TOP_K]]))
            seconds.append(time.process_time() - began)
        top.append(np.searchsorted(ids, served[0].numpy()))
    return Lists(np.array(candidates), np.array(top), 1000 * float(np.median(seconds)))


def candidates_of(graph: RankerServing, tensors: tuple[torch.Tensor, ...]) -> Ints:
    """[C] rows of the items that the graph scores for one request."""
    user, features, items, times, values, now = tensors
    _, side = graph.read_user(user, features, now)
    seen, _ = read_session(graph.item_ids, items, times, now)
    session, none = graph.last_events(items, times, values, now), no_trends(items)
    rows, _ = graph.shortlisted(session, seen, side, now, none)
    return np.asarray(rows[0].numpy(), dtype=np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=120_000)
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument(
        "--new-share", type=float, default=0.3, help="of the items, created during the log"
    )
    parser.add_argument("--requests", type=int, default=MAX_USERS)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[17])
    asked = parser.parse_args()
    settings = Settings(
        users=asked.users,
        items=asked.items,
        impressions=asked.rows,
        positive_rate=0.01,
        new_item_share=asked.new_share,
    )
    told = []
    for seed in asked.seeds:
        with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=THREADS):
            told.append(run(Path(folder), settings, seed, asked.requests, asked.forms))
    result = {
        "benchmark": "catalogue_new_items",
        "settings": vars(asked),
        "seeds": told,
        "peak_rss_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "machine": machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
