"""Exported graphs keep candidates for new items, the same ones as eager mode."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from recommender_contract.resource.export import ExportSpec, Variant
from recommender_contract.resource.hyperparameters import ItemIndex, ItemWeights
from recommender_training.common.arrays import Ints
from recommender_training.config.lists import ListPlan
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.export import build, parity, recalibrated_graph, repository, torchscript
from recommender_training.export.build import ExportInputs
from recommender_training.export.comparison_requests import comparison_requests
from recommender_training.export.compressed_ranker import compress, left_of
from recommender_training.export.ranker import RankerServing
from recommender_training.export.recalibrated_graph import (
    CalibrationChange,
    check_recalibrated,
    recalibrate_graph,
)
from recommender_training.export.request import neighbours_of, no_trends, read_session, shortlist
from recommender_training.features import assembly
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.models import item_weights, ivf_index
from recommender_training.pipeline import item_index

CANDIDATES, KEPT, READ = 20, 4, 6
#: Every fifth item has no event that counts.
NEW_EVERY = 5


@pytest.fixture(scope="module")
def exact(prepared: PreparedData, bundle: Bundle, trained: Any) -> ExportInputs:
    """The known catalogue as if it were large, and as if some items had no event yet."""
    found = repository.export_inputs(prepared, trained.config)
    every = np.ones(len(prepared.data.events), dtype=np.bool_)
    weights = item_weights.fit(prepared.data, every, ItemWeights.SPARSE)
    counts = copy.deepcopy(found.state.counts)
    counts.events[::NEW_EVERY] = counts.positives[::NEW_EVERY] = 0
    plan = ListPlan(ItemWeights.SPARSE, CANDIDATES, for_new=KEPT)
    sources, state = replace(bundle.sources, plan=plan), replace(found.state, counts=counts)
    data = with_young(found.data)
    return replace(found, data=data, state=state, retrieval=weights, sources=sources)


def with_young(data: Dataset) -> Dataset:
    """The same where every fifth item is no older than the data."""
    times = data.items.times.copy()
    times[::NEW_EVERY] = data.events.time[-1]
    return replace(data, items=replace(data.items, times=times))


@dataclass
class Graphs:
    """The compiled graphs of what is known, each once."""

    bundle: Bundle
    known: ExportInputs
    compiled: dict[tuple[str, bool], torch.jit.ScriptModule] = field(default_factory=dict)

    def of(self, name: str = "recommender", *, new: bool = True) -> torch.jit.ScriptModule:
        """With or without candidates that are kept for new items."""
        if (name, new) not in self.compiled:
            known = self.known if new else without(self.known)
            self.compiled[name, new] = loaded(made(self.bundle, known, name))
        return self.compiled[name, new]


@pytest.fixture(scope="module", params=["exact", "pages"])
def known(
    request: pytest.FixtureRequest, prepared: PreparedData, exact: ExportInputs
) -> ExportInputs:
    """The same with each way to find candidates."""
    if request.param == "exact":
        return exact
    plan = replace(exact.sources.plan, index=ItemIndex.APPROXIMATE)
    sources = replace(exact.sources, plan=plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ivf_index, "CELL_SIZE", 4)
        sample = item_index.first_stage_sample(sources, prepared, 17)
        ivf = ivf_index.build_index(sample.vectors, sample.standing, sample.requests[0], 17)
    return replace(exact, sources=replace(sources, ivf=replace(ivf, probes=READ)))


@pytest.fixture(scope="module")
def graphs(bundle: Bundle, known: ExportInputs) -> Graphs:
    return Graphs(bundle, known)


def without(known: ExportInputs) -> ExportInputs:
    plan = replace(known.sources.plan, for_new=0)
    return replace(known, sources=replace(known.sources, plan=plan))


def made(bundle: Bundle, known: ExportInputs, name: str = "recommender") -> torch.nn.Module:
    if name == "baseline":
        return build.logistic_module(bundle.baseline, known, bundle.baseline_calibration)
    assert bundle.deep is not None
    return build.ranker_module(bundle.deep, known, bundle.deep_calibration)


def loaded(module: torch.nn.Module) -> torch.jit.ScriptModule:
    return torchscript.loaded(torchscript.archive(module))


def candidates(
    graph: torch.nn.Module, known: ExportInputs, request: ranking_metrics.Request
) -> Ints:
    """Rows of the items that a graph scores, without those that the request may not get."""
    assert isinstance(graph, RankerServing)
    with torch.inference_mode():
        rows, order = shortlisted(graph, *asked(graph, known, request))
    return np.sort(rows[torch.isfinite(order)].numpy())


def asked(graph: RankerServing, known: ExportInputs, request: ranking_metrics.Request) -> Any:
    """Session, seen items, features and time of a request, as a graph reads them."""
    user, features, items, times, values, now = parity._request(known, request)
    _, side = graph.read_user(user, features, now)
    seen, _ = read_session(graph.item_ids, items, times, now)
    return graph.last_events(items, times, values, now), seen, side, now


def shortlisted(graph: RankerServing, session: Any, seen: Tensor, side: Any, now: Tensor) -> Any:
    return graph.shortlisted(session, seen, side, now, no_trends(seen))


def by_score(graph: RankerServing, session: Any, seen: Tensor, side: Any, now: Tensor) -> Any:
    """Places and order of the best of all items: candidates before any were kept."""
    request = graph.asked(session, side, now)
    if graph.pages_read == 0:
        own = graph.own_items(session, now)
        return shortlist(graph.ordered(request, session, seen, own), graph.candidates)
    near, added = neighbours_of(graph.neighbours, graph.neighbour_weights, session)
    return graph.best_of_pages(request, near, added, seen, graph.candidates)


def of_new(known: ExportInputs) -> Ints:
    return np.flatnonzero(known.state.counts.events == 0)


def together(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> list[Tensor]:
    """The inputs of two requests as a batch, the shorter session padded."""
    paddings = (0, 0, -1, 0, 0, 0)
    width = max(one[2].size(1), other[2].size(1))

    def widened(value: Tensor, at: int) -> Tensor:
        return pad(value, (width - value.size(1), 0), value=paddings[at]) if 2 <= at < 5 else value

    pairs = enumerate(zip(one, other, strict=True))
    return [torch.cat([widened(each, at) for each in pair]) for at, pair in pairs]


def with_few_left(
    known: ExportInputs, request: ranking_metrics.Request
) -> ranking_metrics.Request:
    """The request with a session of all new items but two."""
    items = known.data.events.item
    rows = np.sort([np.flatnonzero(items == each)[0] for each in of_new(known)[2:]])
    return replace(request, session=rows, time=int(known.data.events.time[-1]) + 1)


@pytest.mark.parametrize("name", ["recommender", "baseline"])
def test_a_graph_with_new_items_answers_as_eager_mode_and_otherwise_than_without_them(
    prepared: PreparedData, bundle: Bundle, known: ExportInputs, graphs: Graphs, name: str
) -> None:
    base, served = predictions.scorers(bundle, prepared)
    scorer = base if name == "baseline" else served
    requests = repository.parity_requests(prepared)[:10]
    requests.append(with_few_left(known, requests[0]))
    module = graphs.of(name)
    found = parity.check_parity(module, scorer, known, requests)
    assert found["maxDifference"] < 1e-5
    with pytest.raises(parity.ParityError):
        parity.check_parity(module, scorer, without(known), requests)
    with pytest.raises(parity.ParityError):
        parity.check_parity(graphs.of(name, new=False), scorer, known, requests)


def test_candidates_are_kept_for_the_new_items_that_the_towers_lift_most(
    prepared: PreparedData, bundle: Bundle, known: ExportInputs
) -> None:
    graph, first = made(bundle, known), parity.Lists().first_stage(known)
    new = of_new(known)
    for request in repository.parity_requests(prepared)[:10]:
        found = candidates(graph, known, request)
        batch = ranking_metrics.together(known.data, [request], known.history_length)
        inputs = assembly.of_requests(known.data, known.constants, batch)
        lift = known.sources.lift(inputs, known.sources.item_vectors())[0]
        seen = np.isin(new, known.data.events.item[request.session])
        best = new[np.argsort(np.where(seen, np.inf, -lift[new]))][:KEPT]
        assert set(best) <= set(found)
        assert len(np.unique(found)) == len(found) <= CANDIDATES
    assert first.new.facts == {"newItems": len(new), "newItemCandidates": KEPT}


def test_the_place_of_a_new_item_that_was_seen_goes_to_another_item(
    prepared: PreparedData, bundle: Bundle, known: ExportInputs, graphs: Graphs
) -> None:
    plain = repository.parity_requests(prepared)[0]
    few = with_few_left(known, plain)
    found = candidates(made(bundle, known), known, few)
    assert len(found) == CANDIDATES
    assert np.isin(of_new(known), found).sum() == 2
    batch = together(*(parity._request(known, each) for each in (plain, few)))
    ids, _ = graphs.of()(*batch, torch.full((2, 1), CANDIDATES))
    assert ids.shape == (2, CANDIDATES), "one user's session shortens no other's answer"


def test_the_lists_of_an_evaluation_keep_none_so_that_gates_judge_as_before(
    prepared: PreparedData, known: ExportInputs
) -> None:
    prepared = replace(prepared, data=with_young(prepared.data))
    window = predictions.window(prepared, prepared.split.test, known.sources)
    old = predictions.window(prepared, prepared.split.test, without(known).sources)
    counts = window.counts.events
    counts[::NEW_EVERY] = old.counts.events[::NEW_EVERY] = 0
    kept, plain = window.plain, old.plain
    assert kept.items.tolist() == plain.items.tolist()
    np.testing.assert_array_equal(kept.order, plain.order)


def test_no_item_is_served_twice_nor_one_that_was_seen_and_a_batch_answers_as_its_requests(
    known: ExportInputs, graphs: Graphs
) -> None:
    module = graphs.of()
    for inputs in comparison_requests(known.data):
        with torchscript.as_served():
            ids, scores = module(*inputs)
            for row, told in enumerate(ids.tolist()):
                assert len(set(told)) == len(told)
                assert not set(told) & set(inputs[2][row].tolist())
                own, alone = module(*(each[row : row + 1] for each in inputs))
                width = min(ids.shape[1], own.shape[1])
                assert told[:width] == own[0, :width].tolist()
                torch.testing.assert_close(scores[row, :width], alone[0, :width])


def test_without_a_new_item_the_candidates_are_the_best_of_all_items(
    prepared: PreparedData, bundle: Bundle, known: ExportInputs
) -> None:
    counts = copy.deepcopy(known.state.counts)
    counts.events[:] = counts.events.clip(1)
    old = replace(known, state=replace(known.state, counts=counts))
    graph = made(bundle, old)
    assert isinstance(graph, RankerServing)
    for request in repository.parity_requests(prepared)[:10]:
        with torch.inference_mode():
            inputs = asked(graph, old, request)
            (rows, order), (places, value) = shortlisted(graph, *inputs), by_score(graph, *inputs)
        torch.testing.assert_close(rows, (places - 1).clamp(min=0), rtol=0, atol=0)
        torch.testing.assert_close(order, value, rtol=0, atol=0)


def test_a_recalibrated_graph_keeps_its_new_items(
    bundle: Bundle, known: ExportInputs, graphs: Graphs
) -> None:
    before, after = graphs.of(), loaded(made(bundle, known))
    by, features = CalibrationChange(0.5, 1.0), len(known.data.attributes)
    recalibrate_graph(after, by)
    assert check_recalibrated(before, after, by, features) == 0
    new = known.data.items.ids[of_new(known)]
    lists = [before(*each)[0].numpy() for each in recalibrated_graph._requests(before, features)]
    assert np.isin(lists, new).any(), "of what was compared"


def test_a_variant_keeps_candidates_for_new_items_too(
    prepared: PreparedData, bundle: Bundle, exact: ExportInputs
) -> None:
    every = np.ones(len(prepared.data.events), dtype=np.bool_)
    plan = replace(exact.sources.plan, weights=ItemWeights.DENSE)
    dense = replace(
        exact,
        retrieval=item_weights.fit(prepared.data, every),
        sources=replace(exact.sources, plan=plan),
    )
    full, kind, own = made(bundle, dense), Variant.INT8, ExportSpec()
    assert isinstance(full, RankerServing)
    module = loaded(compress(full, kind, own))
    lists = parity.Lists(left=functools.partial(left_of, variant=kind, settings=own))
    requests = repository.parity_requests(prepared)[:5]
    _, scorer = predictions.scorers(bundle, prepared)
    parity.check_variant(module, scorer, dense, requests, lists)
    with pytest.raises(parity.ParityError):
        parity.check_variant(module, scorer, without(dense), requests, lists)
