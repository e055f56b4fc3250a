"""Exported graphs order items by the lift of the fitted towers, alone or beside the weights."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor

from recommender_contract.resource.export import ExportSpec, Variant
from recommender_training.config.lists import ListPlan
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.evaluation.first_stage import FirstStage
from recommender_training.export import build, parity, repository, torchscript
from recommender_training.export.compressed_ranker import compress, left_of
from recommender_training.export.modules import Serving
from recommender_training.export.request import no_trends
from recommender_training.features import assembly
from recommender_training.features import graph as formulas
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.event_history import ItemCounts
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.fitted.order_weights import POPULARITY_ALONE, OrderWeights
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models import item_weights
from recommender_training.statistics.calibration import Calibration


def knowledge(prepared: PreparedData, used: RetrievalModels) -> build.ExportInputs:
    state = CatalogueState.at(prepared.data, None, prepared.constants.groups)
    length = prepared.history_length
    return build.ExportInputs(prepared.data, prepared.constants, state, None, length, used)


def with_weights(fitted_towers: RetrievalModels) -> RetrievalModels:
    """Weights and towers."""
    return RetrievalModels(ListPlan(), fitted_towers.towers)


def tower_inputs(
    known: build.ExportInputs, request: ranking_metrics.Request
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], Tensor, Tensor, Tensor]:
    """Session, side, time as the graph has them, and what eager mode says."""
    batch = ranking_metrics.together(known.data, [request], known.history_length)
    inputs = assembly.of_requests(known.data, known.constants, batch)
    events, session = known.data.events, request.session
    rows = torch.from_numpy(events.item[session])[None, :]
    values = torch.from_numpy(events.value[session])[None, :]
    times = torch.from_numpy(events.time[session])[None, :]
    present = torch.ones_like(rows, dtype=torch.bool)
    expected = torch.from_numpy(known.sources.lift(inputs))
    return (rows, present, values, times), inputs.side, torch.tensor([[request.time]]), expected


def lift(
    graph: Serving,
    session: tuple[Tensor, Tensor, Tensor, Tensor],
    side: Tensor,
    now: Tensor,
) -> Tensor:
    """[B, I] the order of a graph without item-to-item weights, less popularity."""
    seen, none = torch.full_like(session[0], -1), torch.zeros(len(side), 0)
    order = graph.first_stage(session, seen, (side, none, none), now, no_trends(seen))[
        :, 1 : graph.item_count + 1
    ]
    counts = ItemCounts(*(each.numpy() for each in (graph.events, graph.positives, graph.total)))
    return order - POPULARITY_ALONE * torch.from_numpy(item_weights.popularity_prior(counts))


def test_the_graph_serves_the_lift_of_the_fitted_towers(
    fitted_towers: RetrievalModels, prepared: PreparedData, bundle: Bundle
) -> None:
    known = knowledge(prepared, fitted_towers)
    graph = build.logistic_module(bundle.baseline, known, Calibration())
    task = ranking_metrics.reveal_half(prepared.data, prepared.split.test, prepared.history_length)
    for request in task.requests[:10]:
        session, side, now, expected = tower_inputs(known, request)
        side = side + graph.side_offsets
        found = lift(graph, session, side, now)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        assert float(found.std()) > 0.01
        # One event more that is no part of the past yet, and one of padding, change nothing.
        rows, present, values, times = session
        more = (
            torch.cat([torch.full_like(rows[:, :1], -1), rows, rows[:, :1]], 1),
            torch.nn.functional.pad(present, (1, 1)),
            torch.nn.functional.pad(values, (1, 1), value=5.0),
            torch.cat([now, times, now], 1),
        )
        again = lift(graph, more, side, now)
        torch.testing.assert_close(again, expected, atol=1e-4, rtol=1e-4)


def test_parity_refuses_a_graph_whose_lists_are_ordered_otherwise(
    fitted_towers: RetrievalModels, prepared: PreparedData, bundle: Bundle
) -> None:
    known = knowledge(prepared, fitted_towers)
    graph = build.logistic_module(bundle.baseline, known, bundle.baseline_calibration)
    scorer = predictions.scorers(bundle, prepared)[0]
    requests = repository.parity_requests(prepared)[:5]
    assert (
        parity.check_parity(graph, scorer, known, requests)["maxDisorder"] <= parity.RANK_TOLERANCE
    )
    graph.tower_items = graph.tower_items.flip(1)
    with pytest.raises(parity.ParityError, match="ordered otherwise"):
        parity.check_parity(graph, scorer, known, requests)


def test_lists_are_ordered_by_what_the_resource_asks_for(
    fitted_towers: RetrievalModels, prepared: PreparedData, data: Dataset
) -> None:
    state = CatalogueState.at(data, None, prepared.constants.groups)
    task = ranking_metrics.reveal_half(data, prepared.split.test, prepared.history_length)
    requests, count = task.requests[:2], data.items.count
    weights = np.random.default_rng(1).random((count, count), dtype=np.float32)
    known = ranking_metrics.Known(data, prepared.constants, state, 20)
    batch = ranking_metrics.together(data, requests, 20)
    lift = with_weights(fitted_towers).lift(assembly.of_requests(data, prepared.constants, batch))
    popular = FirstStage(known, RetrievalModels(), None).scores(requests)
    both = FirstStage(known, with_weights(fitted_towers), weights)
    events = data.events
    retrieved = [
        formulas.event_weights(
            torch.ones(1, len(each.session)), torch.from_numpy(events.value[each.session])[None]
        ).numpy()[0]
        @ weights[events.item[each.session]]
        for each in requests
    ]
    np.testing.assert_allclose(both.scores(requests), popular + retrieved + lift, rtol=1e-4)
    sparse = FirstStage(known, with_weights(fitted_towers), sp.csr_matrix(weights))
    np.testing.assert_allclose(sparse.scores(requests), both.scores(requests), rtol=1e-4)
    alone = FirstStage(
        known,
        RetrievalModels(
            ListPlan(None), fitted_towers.towers, order=OrderWeights.start(ListPlan(None))
        ),
        None,
    )
    expected = POPULARITY_ALONE * popular + lift
    np.testing.assert_allclose(alone.scores(requests), expected, rtol=1e-4)


@pytest.mark.parametrize("variant", [None, *Variant])
def test_a_graph_with_weights_and_towers_is_ordered_by_both_in_every_form(
    fitted_towers: RetrievalModels, prepared: PreparedData, bundle: Bundle, variant: Variant | None
) -> None:
    used = with_weights(fitted_towers)
    every = np.ones(len(prepared.data.events), dtype=np.bool_)
    known = replace(knowledge(prepared, used), retrieval=item_weights.fit(prepared.data, every))
    assert bundle.deep is not None
    graph = build.ranker_module(bundle.deep, known, bundle.deep_calibration)
    settings = ExportSpec(keep=0.3)
    lists, check = parity.Lists(), parity.check_parity
    if variant is not None:
        graph, check = compress(graph, variant, settings), parity.check_variant
        lists = parity.Lists(left=partial(left_of, variant=variant, settings=settings))
    scorer = predictions.scorers(bundle, prepared)[1]
    requests = repository.parity_requests(prepared)[:5]
    loaded = torchscript.loaded(torchscript.archive(graph))
    assert check(loaded, scorer, known, requests, lists)["maxDisorder"] <= parity.RANK_TOLERANCE
    with pytest.raises(parity.ParityError, match="ordered otherwise"):
        check(loaded, scorer, replace(known, sources=RetrievalModels()), requests, lists)
    if variant is not None:
        with pytest.raises(parity.ParityError, match="ordered otherwise"):
            check(loaded, scorer, known, requests)
