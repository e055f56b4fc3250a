"""Candidates, then ranking: the exported graphs choose and order them as eager mode does."""

from __future__ import annotations

import pathlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.hyperparameters import ItemWeights
from recommender_training.artifact.vocabulary import vocabulary
from recommender_training.config import lists
from recommender_training.config.lists import ListPlan
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.evaluation.first_stage import largest
from recommender_training.export import build, parity, repository, torchscript
from recommender_training.export.build import ExportInputs
from recommender_training.export.comparison_requests import comparison_requests
from recommender_training.export.exported_graph import ExportedGraph
from recommender_training.export.request import SCAN, places_of, shortlist
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.models import item_weights
from recommender_training.pipeline import training

CANDIDATES = 20


@given(
    seed=st.integers(0, 10_000),
    batch=st.integers(1, 3),
    items=st.integers(1, 400),
    share=st.floats(0, 1),
)
def test_the_scan_by_blocks_finds_the_largest(
    seed: int, batch: int, items: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    order = torch.full((batch, places_of(items)), float("-inf"))
    order[:, 1 : items + 1] = torch.from_numpy(random.permutation(batch * items)).view(batch, -1)
    count = max(1, int(items * share))
    places, values = shortlist(order, count)
    assert torch.equal(values, torch.topk(order, count, 1).values)
    assert torch.equal(torch.gather(order, 1, places), values)
    assert order.size(1) % SCAN == 0


@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_eager_mode_takes_the_same_candidates(seed: int, count: int) -> None:
    scores = np.random.default_rng(seed).permutation(90).reshape(3, 30).astype(np.float64)
    found = largest(scores, count)
    for row, items in zip(scores, found, strict=True):
        assert items.tolist() == sorted(np.argsort(-row)[: min(count, 30)].tolist())


@pytest.fixture(scope="module")
def large(prepared: PreparedData, bundle: Bundle, trained: Any) -> ExportInputs:
    """The known catalogue as if it were large: sparse weights, few candidates."""
    known = repository.export_inputs(prepared, trained.config)
    every = np.ones(len(prepared.data.events), dtype=np.bool_)
    sparse = item_weights.fit(prepared.data, every, ItemWeights.SPARSE)
    plan = ListPlan(ItemWeights.SPARSE, CANDIDATES)
    return replace(known, retrieval=sparse, sources=replace(bundle.sources, plan=plan))


def graph(name: str, bundle: Bundle, known: ExportInputs) -> torch.jit.ScriptModule:
    assert bundle.deep is not None
    made: torch.nn.Module = (
        build.logistic_module(bundle.baseline, known, bundle.baseline_calibration)
        if name == "baseline"
        else build.ranker_module(bundle.deep, known, bundle.deep_calibration)
    )
    return torchscript.loaded(torchscript.archive(made))


@pytest.mark.parametrize("name", ["recommender", "baseline"])
def test_a_graph_of_candidates_answers_as_eager_mode_does(
    prepared: PreparedData, bundle: Bundle, large: ExportInputs, name: str
) -> None:
    base, served = predictions.scorers(bundle, prepared)
    scorer = base if name == "baseline" else served
    requests = repository.parity_requests(prepared)[:10]
    loaded = graph(name, bundle, large)
    found = parity.check_parity(loaded, scorer, large, requests)
    assert found["maxDifference"] < 1e-5
    assert found["maxDisorder"] < parity.RANK_TOLERANCE
    every_item = replace(large, sources=replace(large.sources, plan=ListPlan()))
    with pytest.raises(parity.ParityError):
        parity.check_parity(graph(name, bundle, every_item), scorer, large, requests)


@pytest.mark.parametrize("name", ["recommender", "baseline"])
def test_it_serves_candidates_alone_and_no_item_that_was_seen(
    prepared: PreparedData, bundle: Bundle, large: ExportInputs, name: str
) -> None:
    loaded = graph(name, bundle, large)
    first = parity.Lists().first_stage(large)
    ids, events = prepared.data.items.ids, prepared.data.events
    for request in repository.parity_requests(prepared)[:10]:
        order = first.scores([request])[0].astype(np.float64)
        order[events.item[request.session]] = -np.inf
        best = np.argsort(-order)[:CANDIDATES]
        with torchscript.as_served():
            told, _ = loaded(*parity._request(large, request), torch.tensor([[50]]))
        assert told.shape == (1, CANDIDATES)
        assert set(told[0].tolist()) == set(ids[best].tolist())


@pytest.mark.parametrize("name", ["recommender", "baseline"])
def test_a_batch_has_the_answers_of_its_requests_alone(
    bundle: Bundle, large: ExportInputs, name: str
) -> None:
    loaded = graph(name, bundle, large)
    for inputs in comparison_requests(large.data):
        with torchscript.as_served():
            ids, scores = loaded(*inputs)
            for row in range(len(ids)):
                own, alone = loaded(*(each[row : row + 1] for each in inputs))
                width = min(ids.shape[1], own.shape[1])
                torch.testing.assert_close(
                    scores[row, :width], alone[0, :width], atol=1e-5, rtol=0
                )


def test_an_evaluation_ranks_the_candidates_that_the_graph_ranks(
    prepared: PreparedData, bundle: Bundle, trained: Any
) -> None:
    plan = ListPlan(ItemWeights.SPARSE, CANDIDATES)
    judged = predictions.window(prepared, prepared.split.test, replace(bundle.sources, plan=plan))
    plain = judged.plain
    assert plain.items.shape == (len(judged.task.requests), CANDIDATES)
    assert (
        not judged.task.excluded[np.arange(len(plain.items))[:, None], plain.items].toarray().any()
    )
    told = predictions.answer(bundle, prepared, judged)
    for name in ("recommender", "baseline"):
        top = told[name].top
        assert all(np.isin(row, items).all() for row, items in zip(top, plain.items, strict=True))
    _, scorer = predictions.scorers(bundle, prepared)
    words = vocabulary(prepared.data, prepared.history_length)
    loaded = graph("recommender", bundle, repository.export_inputs(prepared, trained.config))
    replayed = ExportedGraph(loaded, words).scores(judged, plain)
    np.testing.assert_allclose(replayed, judged.scores(plain, scorer), atol=1e-4)


def test_lists_of_all_are_those_of_the_best_scores_without_what_is_excluded(
    prepared: PreparedData,
) -> None:
    task = ranking_metrics.reveal_half(prepared.data, prepared.split.test, prepared.history_length)
    scores = np.random.default_rng(3).random(prepared.data.items.count)
    found = ranking_metrics.best_of_all(scores, task.excluded, 10)
    for row, top in enumerate(found):
        left = np.where(task.excluded[[row]].toarray()[0] > 0, -np.inf, scores)
        assert top.tolist() == np.argsort(-left, kind="stable")[: found.shape[1]].tolist()


def test_a_large_catalogue_is_trained_with_candidates_and_the_report_names_them(
    monkeypatch: pytest.MonkeyPatch, trained: Any, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(lists, "ALL_ITEMS", 10)
    monkeypatch.setattr(lists, "CANDIDATES", CANDIDATES)
    monkeypatch.setattr(lists, "DENSE_ITEMS", 10)
    result = training.train(
        training.TrainingRun(trained.lake, trained.data_version, trained.config, tmp_path / "v")
    )
    report = result.report
    assert report["retrieval"]["candidates"] == CANDIDATES
    assert report["retrieval"]["itemWeights"] == "Sparse"
    assert report["parity"]["recommender"]["maxDisorder"] < parity.RANK_TOLERANCE
