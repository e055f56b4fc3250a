"""The two towers learn what they are said to learn, and the exported graph serves their lift."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recommender_training.config.export import ExportSettings, Variant
from recommender_training.config.lists import ListPlan
from recommender_training.config.training import Retrieval, TrainingConfig, parse_config
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import answers, ranking
from recommender_training.evaluation.first_stage import FirstStage
from recommender_training.export import build, parity, repository, torchscript
from recommender_training.export.compressed_ranker import compress, left_of
from recommender_training.export.modules import Serving
from recommender_training.features import assembly, table
from recommender_training.features import graph as formulas
from recommender_training.features.history import ItemCounts
from recommender_training.features.prepared import Prepared
from recommender_training.features.state import State
from recommender_training.fitted.bundle import Bundle
from recommender_training.fitted.retrieval import BESIDE_WEIGHTS, WITHOUT_WEIGHTS, RetrievalModels
from recommender_training.models import item_weights, two_tower
from recommender_training.models import pairs as pairs_of_events
from recommender_training.models.pairs import newest, pairs
from recommender_training.models.two_tower import sampled_softmax
from recommender_training.statistics.calibration import Calibration
from recommender_training.trainer import fit, retrieval
from recommender_training.trainer.checkpoints import Checkpoints, Slot


def configured(chosen: str, loss: str = "SampledSoftmax") -> TrainingConfig:
    hyperparameters = {"embeddingDim": 8, "retrieval": chosen, "retrievalLoss": loss}
    return parse_config(json.dumps({"seed": 3, "hyperparameters": hyperparameters}))


@pytest.fixture(scope="module")
def few_epochs() -> object:
    with pytest.MonkeyPatch.context() as patch:
        few = {"learning_rate": 0.02, "batch_size": 256, "epochs": 3, "patience": 3}
        patch.setattr(retrieval, "_SETTINGS", few)
        yield


@pytest.fixture(scope="module", params=["SampledSoftmax", "FullSoftmax"])
def fitted(
    request: pytest.FixtureRequest, prepared: Prepared, few_epochs: object
) -> RetrievalModels:
    torch.manual_seed(0)
    config = configured("TwoTower", request.param)
    split = prepared.split
    return retrieval.fit_retrieval(
        prepared.data, split.train, split.validation, prepared.inputs, config
    )


@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.integers(0, 2**16))
def test_the_sampled_softmax_takes_log_q_off_and_leaves_accidental_hits_out(
    liked: list[int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(liked), len(liked)))
    log_q = np.log(np.array([0.1, 0.2, 0.3, 0.4]))
    found = sampled_softmax(*map(torch.from_numpy, (logits, log_q, np.array(liked))))
    for row, item in enumerate(liked):
        own, drawn = logits[row, row], len(liked) - 1
        others = [
            logits[row, j] - log_q[liked[j]] - np.log(drawn)
            for j in range(len(liked))
            if liked[j] != item
        ]
        assert float(found[row]) == pytest.approx(np.logaddexp.reduce([own, *others]) - own)


@given(st.integers(1, 9), st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**16))
def test_the_loss_over_blocks_of_items_is_that_over_all_at_once(
    rows: int, items: int, block: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    requests, vectors = (3 * torch.randn(size, 4, generator=generator) for size in (rows, items))
    bias = 20 * torch.randn(items, generator=generator)
    liked = torch.randint(items, (rows,), generator=generator)
    whole = torch.nn.functional.cross_entropy(
        requests @ vectors.t() + bias, liked, reduction="none"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_tower, "_EVALUATION_ITEMS", block)
        found = two_tower.catalogue_loss(requests, vectors, bias, liked)
    torch.testing.assert_close(found, whole, atol=1e-4, rtol=1e-5)


def test_an_evaluation_holds_logits_of_some_items_at_a_time(
    fitted: RetrievalModels, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    towers = fitted.towers
    assert towers is not None
    held = pairs(prepared.inputs, prepared.data.events, prepared.split.validation)
    rows = torch.arange(len(held))
    whole = fit.predict(towers, held, rows)
    widths: list[int] = []

    def watched(logits: Tensor, dim: int, of: Callable[..., Tensor] = torch.logsumexp) -> Tensor:
        widths.append(logits.shape[1])
        return of(logits, dim)

    monkeypatch.setattr(two_tower, "_EVALUATION_ITEMS", 7)
    monkeypatch.setattr(torch, "logsumexp", watched)
    found = fit.predict(towers, held, rows)
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)
    assert max(widths) == 7
    assert sum(widths) == prepared.data.items.count


def test_with_log_q_the_logits_learn_the_shares_that_batches_are_drawn_by() -> None:
    """Without the correction popular items, which are negatives more often, would be pushed down;
    with one for the liked item, too, they would be pushed up.
    """
    share = torch.tensor([0.6, 0.25, 0.1, 0.05])
    generator = torch.Generator().manual_seed(0)
    bias = torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.Adam([bias], lr=0.05)
    for _ in range(120):
        liked = torch.multinomial(share, 128, replacement=True, generator=generator)
        loss = sampled_softmax(bias[liked].expand(128, -1), share.log(), liked).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    learned = torch.softmax(bias.detach(), 0)
    torch.testing.assert_close(learned, share, atol=0.02, rtol=0)


def test_pairs_tell_the_users_own_past_and_nothing_of_what_is_held_out(prepared: Prepared) -> None:
    events, train = prepared.data.events, prepared.split.train
    found = pairs(prepared.inputs, events, train)
    context, target = found.context.numpy(), found.target.numpy() - 1
    assert (events.time[context] < prepared.split.validation_start).all()
    liked = {(int(events.user[row]), int(events.item[row])) for row in train if events.label[row]}
    told = {(int(u), int(i)) for u, i in zip(events.user[context], target, strict=True)}
    assert told == liked
    assert len(found) == events.label[train].sum()


def test_towers_learn_from_the_newest_pairs_where_there_are_many(
    prepared: Prepared, few_epochs: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, split = prepared.data, prepared.split
    events, train = data.events, split.train
    monkeypatch.setattr(pairs_of_events, "MAX_PAIRS", 60)
    left = newest(events, train)
    assert events.label[left].sum() == 60
    np.testing.assert_array_equal(left, train[-len(left) :])
    np.testing.assert_array_equal(newest(events, train[:60]), train[:60])

    found = retrieval.fit_retrieval(
        data, train, split.validation, prepared.inputs, configured("Both")
    )
    assert found.towers is not None
    vectors = found.towers.item.weight
    old = np.setdiff1d(events.item[train], events.item[left])
    assert len(old)
    for row in old + 1:
        assert torch.equal(vectors[row], vectors[0])
    again = retrieval.refit_retrieval(found, data, train, prepared.inputs, configured("Both"))
    assert again.towers is not None
    liked = events.item[left[events.label[left]]]
    counts = np.bincount(liked, minlength=data.items.count) + 1.0
    expected = torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))
    torch.testing.assert_close(again.towers.log_share, expected)


def test_a_fit_lowers_the_loss_below_that_of_popularity(
    fitted: RetrievalModels, prepared: Prepared
) -> None:
    data = prepared.data
    held = pairs(prepared.inputs, data.events, prepared.split.validation)
    assert fitted.towers is not None
    popular = -float(fitted.towers.log_share[held.target - 1].mean())
    assert 0 < fitted.loss < popular


def test_items_without_an_event_keep_genres_and_year_alone(
    fitted: RetrievalModels, prepared: Prepared
) -> None:
    towers = fitted.towers
    assert towers is not None
    seen = np.unique(prepared.data.events.item[prepared.split.train]) + 1
    unseen = np.setdiff1d(np.arange(1, prepared.data.items.count + 1), seen)
    for row in unseen:
        assert torch.equal(towers.item.weight[row], towers.item.weight[0])
    assert not torch.equal(towers.item.weight[seen[0]], towers.item.weight[0])


def test_a_large_catalogue_is_judged_by_fewer_pairs(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, held = prepared.data, prepared.split.validation
    assert retrieval.held_pairs(data, held) is held
    monkeypatch.setattr(retrieval, "MAX_HELD_SCORES", 50 * data.items.count)
    monkeypatch.setattr(retrieval, "LEAST_HELD", 10)
    found = retrieval.held_pairs(data, held)
    assert len(np.unique(found)) == 50
    assert np.isin(found, held).all()
    assert data.events.label[found].all()
    assert np.array_equal(found, retrieval.held_pairs(data, held)), "every fit has the same ones"
    monkeypatch.setattr(retrieval, "LEAST_HELD", 60)
    assert len(retrieval.held_pairs(data, held)) == 60


def knowledge(prepared: Prepared, used: RetrievalModels) -> build.Knowledge:
    state = State.at(prepared.data, None, prepared.constants.groups)
    length = prepared.history_length
    return build.Knowledge(prepared.data, prepared.constants, state, None, length, used)


def with_weights(fitted: RetrievalModels) -> RetrievalModels:
    """Weights and towers."""
    return RetrievalModels(ListPlan(), fitted.towers)


def tower_inputs(
    known: build.Knowledge, request: ranking.Request
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], Tensor, Tensor, Tensor]:
    """Session, side, time as the graph has them, and what eager mode says."""
    batch = ranking.together(known.data, [request], known.history_length)
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
    seen = torch.full_like(session[0], -1)
    order = graph.first_stage(session, seen, side, now)[:, 1 : graph.item_count + 1]
    counts = ItemCounts(*(each.numpy() for each in (graph.events, graph.positives, graph.total)))
    return order - WITHOUT_WEIGHTS * torch.from_numpy(item_weights.popularity_prior(counts))


def test_the_graph_serves_the_lift_of_the_fitted_towers(
    fitted: RetrievalModels, prepared: Prepared, bundle: Bundle
) -> None:
    known = knowledge(prepared, fitted)
    graph = build.logistic_module(bundle.baseline, known, Calibration())
    task = ranking.reveal_half(prepared.data, prepared.split.test, prepared.history_length)
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
    fitted: RetrievalModels, prepared: Prepared, bundle: Bundle
) -> None:
    known = knowledge(prepared, fitted)
    graph = build.logistic_module(bundle.baseline, known, bundle.baseline_calibration)
    scorer = answers.scorers(bundle, prepared)[0]
    requests = repository.parity_requests(prepared)[:5]
    assert parity.check(graph, scorer, known, requests)["maxDisorder"] <= parity.RANK_TOLERANCE
    graph.tower_items = graph.tower_items.flip(1)
    with pytest.raises(parity.ParityError, match="ordered otherwise"):
        parity.check(graph, scorer, known, requests)


def test_lists_are_ordered_by_what_the_resource_asks_for(
    fitted: RetrievalModels, prepared: Prepared, data: Dataset
) -> None:
    state = State.at(data, None, prepared.constants.groups)
    task = ranking.reveal_half(data, prepared.split.test, prepared.history_length)
    requests, count = task.requests[:2], data.items.count
    weights = np.random.default_rng(1).random((count, count), dtype=np.float32)
    known = ranking.Known(data, prepared.constants, state, 20)
    batch = ranking.together(data, requests, 20)
    lift = with_weights(fitted).lift(assembly.of_requests(data, prepared.constants, batch))
    popular = FirstStage(known, RetrievalModels(), None).scores(requests)
    both = FirstStage(known, with_weights(fitted), weights)
    events = data.events
    retrieved = [
        formulas.event_weights(
            torch.ones(1, len(each.session)), torch.from_numpy(events.value[each.session])[None]
        ).numpy()[0]
        @ weights[events.item[each.session]]
        for each in requests
    ]
    np.testing.assert_allclose(both.scores(requests), popular + retrieved + lift, rtol=1e-4)
    sparse = FirstStage(known, with_weights(fitted), sp.csr_matrix(weights))
    np.testing.assert_allclose(sparse.scores(requests), both.scores(requests), rtol=1e-4)
    alone = FirstStage(known, RetrievalModels(ListPlan(None), fitted.towers), None)
    ratio = WITHOUT_WEIGHTS / BESIDE_WEIGHTS
    expected = WITHOUT_WEIGHTS * popular + ratio * lift
    np.testing.assert_allclose(alone.scores(requests), expected, rtol=1e-4)


def test_towers_learn_the_same_from_inputs_that_are_computed_by_batch(
    prepared: Prepared, few_epochs: object
) -> None:
    config = configured("TwoTower")
    data, split, length = prepared.data, prepared.split, prepared.history_length
    computed = table.Features.of(data, length, prepared.constants)
    made = []
    for inputs in (prepared.kept, computed):
        torch.manual_seed(0)
        made.append(retrieval.fit_retrieval(data, split.train, split.validation, inputs, config))
    kept, cut = (each.towers for each in made)
    assert kept is not None
    assert cut is not None
    assert made[0].loss == made[1].loss
    for name, value in kept.state_dict().items():
        assert torch.equal(value, cut.state_dict()[name]), name


def test_towers_that_were_ended_go_on_to_the_same_weights(
    prepared: Prepared, few_epochs: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, split = configured("TwoTower"), prepared.split

    def towers(slot: Slot | None) -> dict[str, Tensor]:
        torch.manual_seed(0)
        made = retrieval.fit_retrieval(
            prepared.data, split.train, split.validation, prepared.kept, config, slot
        )
        assert made.towers is not None
        return made.towers.state_dict()

    class KilledError(Exception):
        pass

    def ended(self: fit.Trainer, keep: Callable[..., None] = fit.Trainer.keep) -> None:
        keep(self)
        if self.batches.epochs > 1:
            raise KilledError

    slot = Checkpoints(tmp_path, {}).slot("towers")
    with monkeypatch.context() as patch:
        patch.setattr(fit.Trainer, "keep", ended)
        with pytest.raises(KilledError):
            towers(slot)
    left = slot.load()
    assert left is not None
    assert left["batches"]["taken"] > 0
    whole, again = towers(None), towers(slot)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@pytest.mark.parametrize("variant", [None, *Variant])
def test_a_graph_with_weights_and_towers_is_ordered_by_both_in_every_form(
    fitted: RetrievalModels, prepared: Prepared, bundle: Bundle, variant: Variant | None
) -> None:
    used = with_weights(fitted)
    every = np.ones(len(prepared.data.events), dtype=np.bool_)
    known = replace(knowledge(prepared, used), retrieval=item_weights.fit(prepared.data, every))
    assert bundle.deep is not None
    graph = build.ranker_module(bundle.deep, known, bundle.deep_calibration)
    settings = ExportSettings(keep=0.3)
    lists, check = parity.Lists(), parity.check
    if variant is not None:
        graph, check = compress(graph, variant, settings), parity.check_variant
        lists = parity.Lists(left=partial(left_of, variant=variant, settings=settings))
    scorer = answers.scorers(bundle, prepared)[1]
    requests = repository.parity_requests(prepared)[:5]
    loaded = torchscript.loaded(torchscript.archive(graph))
    assert check(loaded, scorer, known, requests, lists)["maxDisorder"] <= parity.RANK_TOLERANCE
    with pytest.raises(parity.ParityError, match="ordered otherwise"):
        check(loaded, scorer, replace(known, sources=RetrievalModels()), requests, lists)
    if variant is not None:
        with pytest.raises(parity.ParityError, match="ordered otherwise"):
            check(loaded, scorer, known, requests)


def test_towers_are_fitted_where_they_are_asked_for_alone(
    prepared: Prepared, few_epochs: object
) -> None:
    for wanted in Retrieval:
        split, config = prepared.split, configured(wanted.value)
        made = retrieval.fit_retrieval(
            prepared.data, split.train, split.validation, prepared.inputs, config
        )
        assert made.weights is (wanted is not Retrieval.TWO_TOWER)
        assert (made.towers is not None) is (wanted is not Retrieval.WEIGHTS)
