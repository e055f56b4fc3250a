"""Exported graphs keep candidates for new items, the same ones as eager mode."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from recommender_training.common.arrays import Ints
from recommender_training.config.export import ExportSettings, Variant
from recommender_training.config.lists import ItemIndex, ItemWeights, ListPlan
from recommender_training.evaluation import answers, ranking
from recommender_training.export import build, parity, repository, torchscript
from recommender_training.export.build import Knowledge
from recommender_training.export.compressed_ranker import compress, left_of
from recommender_training.export.probes import probes
from recommender_training.export.ranker import RankerServing
from recommender_training.export.request import read_session
from recommender_training.export.rescaled_graph import check, rescale
from recommender_training.export.rescaling import Rescaling
from recommender_training.features import assembly
from recommender_training.features.prepared import Prepared
from recommender_training.fitted.bundle import Bundle
from recommender_training.models import item_pages, item_weights
from recommender_training.pipeline import paging

CANDIDATES, KEPT, READ = 20, 4, 6
#: Every fifth item has no event that counts.
NEW_EVERY = 5


@pytest.fixture(scope="module")
def exact(prepared: Prepared, bundle: Bundle, trained: Any) -> Knowledge:
    """The known catalogue as if it were large, and as if some items had no event yet."""
    found = repository.knowledge(prepared, trained.config)
    every = np.ones(len(prepared.data.events), dtype=np.bool_)
    weights = item_weights.fit(prepared.data, every, ItemWeights.SPARSE)
    counts = copy.deepcopy(found.state.counts)
    counts.events[::NEW_EVERY] = counts.positives[::NEW_EVERY] = 0
    plan = ListPlan(ItemWeights.SPARSE, CANDIDATES, for_new=KEPT)
    sources, state = replace(bundle.sources, plan=plan), replace(found.state, counts=counts)
    return replace(found, state=state, retrieval=weights, sources=sources)


@pytest.fixture(scope="module", params=["exact", "pages"])
def known(request: pytest.FixtureRequest, prepared: Prepared, exact: Knowledge) -> Knowledge:
    """The same with each way to find candidates."""
    if request.param == "exact":
        return exact
    plan = replace(exact.sources.plan, index=ItemIndex.APPROXIMATE)
    sources = replace(exact.sources, plan=plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_pages, "PAGE", 4)
        sample = paging.sampled(sources, prepared, 17)
        pages = item_pages.arrange(sample.vectors, sample.standing, sample.requests[0], 17)
    return replace(exact, sources=replace(sources, pages=replace(pages, read=READ)))


def without(known: Knowledge) -> Knowledge:
    plan = replace(known.sources.plan, for_new=0)
    return replace(known, sources=replace(known.sources, plan=plan))


def made(bundle: Bundle, known: Knowledge, name: str = "recommender") -> torch.nn.Module:
    if name == "baseline":
        return build.logistic_module(bundle.baseline, known, bundle.baseline_calibration)
    assert bundle.deep is not None
    return build.ranker_module(bundle.deep, known, bundle.deep_calibration)


def loaded(module: torch.nn.Module) -> torch.jit.ScriptModule:
    return torchscript.loaded(torchscript.archive(module))


def candidates(graph: torch.nn.Module, known: Knowledge, request: ranking.Request) -> Ints:
    """Rows of the items that a graph scores, without those that the request may not get."""
    assert isinstance(graph, RankerServing)
    user, features, items, times, values, now = parity._request(known, request)
    with torch.inference_mode():
        _, side = graph.read_user(user, features, now)
        seen, _ = read_session(graph.item_ids, items, times, now)
        session = graph.last_events(items, times, values, now)
        rows, order = graph.shortlisted(session, seen, side, now)
    return np.sort(rows[torch.isfinite(order)].numpy())


@pytest.mark.parametrize("name", ["recommender", "baseline"])
def test_a_graph_with_new_items_answers_as_eager_mode_and_otherwise_than_without_them(
    prepared: Prepared, bundle: Bundle, known: Knowledge, name: str
) -> None:
    base, served = answers.scorers(bundle, prepared)
    scorer = base if name == "baseline" else served
    requests = repository.parity_requests(prepared)[:10]
    module = loaded(made(bundle, known, name))
    found = parity.check(module, scorer, known, requests)
    assert found["maxDifference"] < 1e-5
    with pytest.raises(parity.ParityError):
        parity.check(module, scorer, without(known), requests)
    with pytest.raises(parity.ParityError):
        parity.check(loaded(made(bundle, without(known), name)), scorer, known, requests)


def test_candidates_are_kept_for_the_new_items_that_the_towers_lift_most(
    prepared: Prepared, bundle: Bundle, known: Knowledge
) -> None:
    graph, first = made(bundle, known), parity.Lists().first_stage(known)
    new = np.flatnonzero(known.state.counts.events == 0)
    for request in repository.parity_requests(prepared)[:10]:
        found = candidates(graph, known, request)
        batch = ranking.together(known.data, [request], known.history_length)
        inputs = assembly.of_requests(known.data, known.constants, batch)
        lift = known.sources.lift(inputs, known.sources.item_vectors())[0]
        seen = np.isin(new, known.data.events.item[request.session])
        best = new[np.argsort(np.where(seen, np.inf, -lift[new]))][:KEPT]
        assert set(best) <= set(found)
        assert len(np.unique(found)) == len(found) <= CANDIDATES
    assert first.new.facts == {"newItems": len(new), "newItemCandidates": KEPT}


def test_an_evaluation_has_the_candidates_of_the_graph(
    prepared: Prepared, bundle: Bundle, known: Knowledge
) -> None:
    task = ranking.reveal_half(prepared.data, prepared.split.test, prepared.history_length)
    short = parity.Lists().first_stage(known).shortlist(task)
    graph = made(bundle, known)
    assert short.items.shape[1] == CANDIDATES
    for place, request in enumerate(task.requests[:10]):
        own = short.items[place][np.isfinite(short.order[place])]
        excluded = task.excluded[[place]].indices
        session = known.data.events.item[request.session]
        if set(excluded) == set(session):  # a graph knows the session alone
            assert own.tolist() == candidates(graph, known, request).tolist()
        assert not np.isin(own, excluded).any()
        assert (np.diff(short.items[place]) >= 0).all()


def test_no_item_is_served_twice_nor_one_that_was_seen_and_a_batch_answers_as_its_requests(
    bundle: Bundle, known: Knowledge
) -> None:
    module = loaded(made(bundle, known))
    for inputs in probes(known.data):
        with torch.inference_mode():
            ids, scores = module(*inputs)
            for row, told in enumerate(ids.tolist()):
                assert len(set(told)) == len(told)
                assert not set(told) & set(inputs[2][row].tolist())
                own, alone = module(*(each[row : row + 1] for each in inputs))
                width = min(ids.shape[1], own.shape[1])
                assert told[:width] == own[0, :width].tolist()
                torch.testing.assert_close(scores[row, :width], alone[0, :width])


def test_without_a_new_item_the_answers_are_those_without_the_source(
    bundle: Bundle, known: Knowledge
) -> None:
    counts = copy.deepcopy(known.state.counts)
    counts.events[:] = counts.events.clip(1)
    old = replace(known, state=replace(known.state, counts=counts))
    one, other = (loaded(made(bundle, each)) for each in (old, without(old)))
    assert parity.between(one, other, probes(known.data)) == 0


def test_a_recalibrated_graph_keeps_its_new_items(bundle: Bundle, known: Knowledge) -> None:
    before, after = (loaded(made(bundle, known)) for _ in range(2))
    by = Rescaling(0.5, 1.0)
    rescale(after, by)
    assert check(before, after, by, len(known.data.attributes)) == 0


def test_a_variant_keeps_candidates_for_new_items_too(
    prepared: Prepared, bundle: Bundle, exact: Knowledge
) -> None:
    every = np.ones(len(prepared.data.events), dtype=np.bool_)
    plan = replace(exact.sources.plan, weights=ItemWeights.DENSE)
    dense = replace(
        exact,
        retrieval=item_weights.fit(prepared.data, every),
        sources=replace(exact.sources, plan=plan),
    )
    full, kind, own = made(bundle, dense), Variant.INT8, ExportSettings()
    assert isinstance(full, RankerServing)
    module = loaded(compress(full, kind, own))
    lists = parity.Lists(left=functools.partial(left_of, variant=kind, settings=own))
    requests = repository.parity_requests(prepared)[:5]
    _, scorer = answers.scorers(bundle, prepared)
    parity.check_variant(module, scorer, dense, requests, lists)
    with pytest.raises(parity.ParityError):
        parity.check_variant(module, scorer, without(dense), requests, lists)
