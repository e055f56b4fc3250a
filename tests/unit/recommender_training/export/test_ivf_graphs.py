"""Exported graphs that read cells of items answer as eager mode with the same cells does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.hyperparameters import ItemIndex, ItemWeights
from recommender_training.config.lists import ListPlan
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.export import build, parity, repository, torchscript
from recommender_training.export.build import ExportInputs
from recommender_training.export.comparison_requests import comparison_requests, request_batches
from recommender_training.export.item_pages import IvfServing, among, buffers, summed
from recommender_training.features import assembly
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted import ivf_selection as selection
from recommender_training.fitted.bundle import Bundle
from recommender_training.mitigation.exposure import Bonus
from recommender_training.models import item_weights, ivf_index
from recommender_training.pipeline import item_index

CANDIDATES, READ = 20, 6


@pytest.fixture(scope="module")
def small_cells() -> Iterator[None]:
    """Cells of four items, so that a small catalogue has many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ivf_index, "CELL_SIZE", 4)
        yield


@pytest.fixture(scope="module", params=[ItemWeights.SPARSE, None], ids=["neighbours", "towers"])
def exact(
    request: pytest.FixtureRequest, prepared: PreparedData, bundle: Bundle, trained: Any
) -> ExportInputs:
    """The known catalogue as if it were large, with an exact scan."""
    known = repository.export_inputs(prepared, trained.config)
    every = np.ones(len(prepared.data.events), dtype=np.bool_)
    form = request.param
    weights = None if form is None else item_weights.fit(prepared.data, every, form)
    plan = ListPlan(form, CANDIDATES, ItemIndex.APPROXIMATE)
    return replace(known, retrieval=weights, sources=replace(bundle.sources, plan=plan))


def paged(known: ExportInputs, prepared: PreparedData, read: int | None = None) -> ExportInputs:
    """The same with cells of which `read` are read, or all."""
    sample = item_index.first_stage_sample(known.sources, prepared, 17)
    ivf = ivf_index.build_index(sample.vectors, sample.standing, sample.requests[0], 17)
    ivf = replace(ivf, probes=read or ivf.cells)
    return replace(known, sources=replace(known.sources, ivf=ivf))


def graph(name: str, bundle: Bundle, known: ExportInputs) -> torch.nn.Module:
    assert bundle.deep is not None
    if name == "baseline":
        return build.logistic_module(bundle.baseline, known, bundle.baseline_calibration)
    return build.ranker_module(bundle.deep, known, bundle.deep_calibration)


def loaded(name: str, bundle: Bundle, known: ExportInputs) -> torch.jit.ScriptModule:
    return torchscript.loaded(torchscript.archive(graph(name, bundle, known)))


@pytest.mark.parametrize("name", ["recommender", "baseline"])
@pytest.mark.usefixtures("small_cells")
def test_a_graph_of_cells_answers_as_eager_mode_with_these_cells(
    prepared: PreparedData, bundle: Bundle, exact: ExportInputs, name: str
) -> None:
    base, served = predictions.scorers(bundle, prepared)
    scorer = base if name == "baseline" else served
    requests, known = repository.parity_requests(prepared)[:10], paged(exact, prepared, READ)
    module = loaded(name, bundle, known)
    found = parity.check_parity(module, scorer, known, requests)
    assert found["maxDifference"] < 1e-5
    assert found["maxDisorder"] < parity.RANK_TOLERANCE
    with pytest.raises(parity.ParityError):
        parity.check_parity(module, scorer, exact, requests)


@pytest.mark.parametrize("name", ["recommender", "baseline"])
@pytest.mark.usefixtures("small_cells")
def test_reading_all_cells_gives_the_answers_of_the_exact_scan(
    prepared: PreparedData, bundle: Bundle, exact: ExportInputs, name: str
) -> None:
    one, other = (loaded(name, bundle, each) for each in (exact, paged(exact, prepared)))
    assert parity.largest_difference(one, other, comparison_requests(exact.data)) < 1e-5


@pytest.mark.usefixtures("small_cells")
def test_cells_serve_no_item_that_was_seen_none_twice_and_a_batch_as_its_requests_alone(
    prepared: PreparedData, bundle: Bundle, exact: ExportInputs
) -> None:
    module = loaded("recommender", bundle, paged(exact, prepared, READ))
    for inputs in comparison_requests(exact.data):
        with torchscript.as_served():
            ids, scores = module(*inputs)
            for row, told in enumerate(ids.tolist()):
                assert len(set(told)) == len(told)
                assert not set(told) & set(inputs[2][row].tolist())
                own, alone = module(*(each[row : row + 1] for each in inputs))
                width = min(ids.shape[1], own.shape[1])
                assert told[:width] == own[0, :width].tolist()
                torch.testing.assert_close(scores[row, :width], alone[0, :width])


@pytest.mark.usefixtures("small_cells")
def test_the_events_of_the_test_window_have_no_part_in_the_cells(
    monkeypatch: pytest.MonkeyPatch, prepared: PreparedData, exact: ExportInputs
) -> None:
    monkeypatch.setattr(selection, "LEAST_SAMPLED", 4)
    monkeypatch.setattr(selection, "MOST_READ", 1.0)
    events = prepared.data.events
    later = events.time >= prepared.split.test_start
    item = events.item.copy()
    item[later] = 0
    other = replace(prepared, data=replace(prepared.data, events=replace(events, item=item)))
    found = [
        item_index.select_item_index(exact.sources, each, 17).ivf for each in (prepared, other)
    ]
    one, two = (each for each in found if each is not None)
    np.testing.assert_array_equal(one.items, two.items)
    np.testing.assert_array_equal(one.reach, two.reach)
    assert one.probes == two.probes


@pytest.mark.usefixtures("small_cells")
def test_parity_sees_other_cells_where_the_order_before_the_response_counts_little(
    prepared: PreparedData, bundle: Bundle, exact: ExportInputs
) -> None:
    little = replace(exact, sources=replace(exact.sources, order=exact.sources.order.scaled(1e-4)))
    scorer, _ = predictions.scorers(bundle, prepared)
    requests, known = repository.parity_requests(prepared)[:10], paged(little, prepared, READ)
    module = loaded("baseline", bundle, known)
    assert parity.check_parity(module, scorer, known, requests)["maxDifference"] < 1e-5
    ivf = known.sources.ivf
    assert ivf is not None
    fewer = replace(known.sources, ivf=replace(ivf, probes=READ - 2))
    with pytest.raises(parity.ParityError):
        parity.check_parity(module, scorer, replace(known, sources=fewer), requests)


@pytest.mark.usefixtures("small_cells")
def test_an_evaluation_asks_for_the_inputs_of_its_requests_once(
    monkeypatch: pytest.MonkeyPatch, prepared: PreparedData, exact: ExportInputs
) -> None:
    known = paged(exact, prepared, READ)
    first, task = (
        parity.Lists().first_stage(known),
        ranking_metrics.reveal_half(
            prepared.data, prepared.split.validation, prepared.history_length
        ),
    )
    asked, of_requests = list[int](), assembly.of_requests

    def counted(*arguments: Any) -> Any:
        asked.append(1)
        return of_requests(*arguments)

    monkeypatch.setattr(assembly, "of_requests", counted)
    first.shortlist(task)
    assert len(asked) == 1


def test_with_a_bonus_of_item_groups_the_scan_is_exact_and_says_so(
    prepared: PreparedData, bundle: Bundle, exact: ExportInputs, trained: Any
) -> None:
    none = np.zeros(1)
    bonus = {"baseline": Bonus("genres", none, none, none, none, none > 0, met=True)}
    found = item_index.with_item_index(
        replace(bundle, sources=exact.sources, bonus=bonus), prepared, exact, trained.config
    ).sources
    assert found.ivf is None
    assert "mitigation.exposure" in str(found.index["indexRefused"])


@pytest.mark.usefixtures("small_cells")
def test_in_parity_checks_no_form_of_a_graph_holds_the_cells_of_a_large_batch(
    monkeypatch: pytest.MonkeyPatch, prepared: PreparedData, bundle: Bundle, exact: ExportInputs
) -> None:
    known, sizes = paged(exact, prepared, READ), list[int]()
    scan = IvfServing.scan

    def watched(self: IvfServing, request: torch.Tensor, count: int) -> Any:
        sizes.append(request.size(0))
        return scan(self, request, count)

    monkeypatch.setattr(IvfServing, "scan", watched)
    eager = graph("baseline", bundle, known)
    batches = list(comparison_requests(known.data))
    parity.largest_difference(eager, eager, batches)
    assert max(sizes) == 1
    split = list(request_batches(batches, 4))
    assert max(len(each[0]) for each in split) == 4
    assert torch.equal(
        torch.cat([one[0] for one in split]), torch.cat([one[0] for one in batches])
    )


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=12),
    st.lists(st.integers(0, 9), min_size=1, max_size=12),
)
def test_places_are_among_others_where_one_of_them_is_equal(
    places: list[int], others: list[int]
) -> None:
    found = among(torch.tensor([places]), torch.tensor([others]))
    assert found[0].tolist() == [place in others for place in places]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-9, 9)), min_size=1, max_size=12))
def test_weights_of_one_place_are_added_up_and_the_place_is_there_once(
    pairs: list[tuple[int, int]],
) -> None:
    places = torch.tensor([[place for place, _ in pairs]])
    weights = torch.tensor([[float(weight) for _, weight in pairs]])
    ordered, total = summed(places, weights)
    found = {
        int(place): float(value)
        for place, value in zip(ordered[0], total[0], strict=True)
        if torch.isfinite(value)
    }
    wanted: dict[int, float] = {}
    for place, weight in pairs:
        wanted[place] = wanted.get(place, 0.0) + weight
    assert found == wanted
    assert int(torch.isfinite(total).sum()) == len(wanted)


class Cells(IvfServing):
    """The cells by themselves."""

    def __init__(
        self, buffers: dict[str, torch.Tensor], standing: torch.Tensor, read: int
    ) -> None:
        super().__init__()
        self.pages_read = read
        for name, value in {**buffers, "standing": standing}.items():
            self.register_buffer(name, value)


@given(
    seed=st.integers(0, 10_000),
    items=st.integers(1, 300),
    near=st.lists(st.tuples(st.integers(0, 300), st.integers(-3, 3)), min_size=1, max_size=30),
    seen=st.lists(st.integers(-1, 299), min_size=1, max_size=8),
    read=st.integers(1, 3),
)
def test_the_candidates_are_the_best_of_the_read_cells_and_the_neighbours_each_once(
    seed: int, items: int, near: list[tuple[int, int]], seen: list[int], read: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(items + 1, 3)).astype("f4")
    own = random.normal(size=items).astype("f4")
    asked = random.normal(size=(1, 3)).astype("f4")
    near = [(place, weight) for place, weight in near if place <= items] or [(1, 2)]
    ivf = ivf_index.build_index(vectors[1:], own, asked, seed)
    ivf = replace(ivf, probes=min(read, ivf.cells))
    standing = torch.from_numpy(np.r_[-np.inf, own].astype("f4"))
    made = buffers(ivf, torch.from_numpy(vectors), standing, own)
    places, value = Cells(made, standing, ivf.probes).best_of_pages(
        torch.from_numpy(asked),
        torch.tensor([[place for place, _ in near]]),
        torch.tensor([[float(weight) for _, weight in near]]),
        torch.tensor([seen]),
        min(10, ivf.probes * ivf_index.CELL_SIZE),
    )
    means, level = ivf.means(vectors[1:], own)
    in_cells = ivf.items[ivf_index.probed(asked @ means.T + level, ivf.probes)[0]]
    wanted = {int(item): 0.0 for item in in_cells.ravel() if item >= 0}
    for place, weight in near:
        if place:
            wanted[place - 1] = wanted.get(place - 1, 0.0) + weight
    scores = {
        item: float(own[item] + vectors[item + 1] @ asked[0] + weight)
        for item, weight in wanted.items()
        if item not in seen
    }
    found = {
        int(place) - 1: float(order)
        for place, order in zip(places[0], value[0], strict=True)
        if torch.isfinite(order)
    }
    best = sorted(scores, key=lambda item: -scores[item])[: places.shape[1]]
    assert set(found) == set(best)
    assert all(found[item] == pytest.approx(scores[item], abs=1e-4) for item in best)
    assert len(found) == int(torch.isfinite(value).sum()), "no item twice"
