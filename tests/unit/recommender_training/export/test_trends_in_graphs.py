"""Exported graphs order lists by what is popular at the request, new items included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recommender_training.evaluation import predictions
from recommender_training.export import parity, recalibrated_graph, repository
from recommender_training.export.build import ExportInputs
from recommender_training.export.recalibrated_graph import CalibrationChange
from recommender_training.export.request import best_of
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.models import ivf_index
from tests.training_fixtures import Trained
from tests.unit.recommender_training.export.catalogue_forms import FORMS, known_in, loaded

UNKNOWN = 10**9
MODELS = ("recommender", "baseline")


def with_trends(known: ExportInputs, weight: float = 2.0, sharpness: float = 0.5) -> ExportInputs:
    order = replace(known.sources.order, trend=weight, sharpness=sharpness)
    return known.ordered_by(replace(known.sources, order=order))


def answer(
    module: torch.nn.Module,
    known: ExportInputs,
    prepared: PreparedData,
    trends: dict[int, float] | None,
    *,
    place: int = 1,
    had: tuple[int, ...] = (),
    top: int = 10,
) -> tuple[list[int], list[float]]:
    """The list of a request, whose session begins with the items `had`."""
    inputs = list(parity._request(known, repository.parity_requests(prepared)[place]))
    for at, value in enumerate(had):
        inputs[2][0, at] = value
    told, now = {-1: 0.0} if trends is None else trends, list[Tensor]()
    if module.by_trends:
        now = [torch.tensor([list(told)]), torch.tensor([list(told.values())])]
    ids, scores = module(*inputs, torch.tensor([[top]]), *now)
    return ids[0].tolist(), scores[0].tolist()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("form", FORMS)
def test_a_graph_orders_by_trends_as_eager_mode_does(
    monkeypatch: pytest.MonkeyPatch,
    prepared: PreparedData,
    bundle: Bundle,
    trained: Trained,
    name: str,
    form: str,
) -> None:
    monkeypatch.setattr(ivf_index, "CELL_SIZE", 4)
    known = with_trends(known_in(form, prepared, bundle, trained, None))
    module = loaded(name, bundle, known)
    scorer = predictions.scorers(bundle, prepared)[name == "recommender"]
    requests = repository.parity_requests(prepared)
    found = parity.check_parity(module, scorer, known, requests)
    assert found["maxDifference"] < 1e-5
    assert found["maxDisorder"] < parity.RANK_TOLERANCE
    with pytest.raises(parity.ParityError):
        parity.check_parity(module, scorer, with_trends(known, 4.0), requests)


@pytest.mark.parametrize("name", MODELS)
def test_a_graph_whose_lists_do_not_gain_ignores_trends(
    prepared: PreparedData, bundle: Bundle, trained: Trained, name: str
) -> None:
    known = known_in("dense", prepared, bundle, trained, None)
    module = loaded(name, bundle, known)
    assert not module.trend_weight.numel()
    read = loaded(name, bundle, with_trends(known))
    assert arguments(read) == [*arguments(module), "trend_items", "trend_counts"]


def arguments(module: torch.jit.ScriptModule) -> list[str]:
    return [each.name for each in module._c._get_method("forward").schema.arguments]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MODELS)
def test_what_is_popular_now_comes_first_and_without_trends_the_rest_decides(
    monkeypatch: pytest.MonkeyPatch,
    prepared: PreparedData,
    bundle: Bundle,
    trained: Trained,
    name: str,
    form: str,
) -> None:
    monkeypatch.setattr(ivf_index, "CELL_SIZE", 4)
    plain = known_in(form, prepared, bundle, trained, None)
    known = with_trends(plain, 50.0)
    module = loaded(name, bundle, known)
    without = answer(loaded(name, bundle, plain), plain, prepared, None)
    assert answer(module, known, prepared, None) == without
    assert answer(module, known, prepared, {-1: 0.0}) == without, "padding"
    ids = known.data.items.ids
    last = int(ids[~np.isin(ids, without[0])][0])
    shown = prepared.data.items.ids[
        prepared.data.events.item[repository.parity_requests(prepared)[1].session]
    ]
    found = answer(module, known, prepared, {last: 1e3, int(shown[0]): 1e6})[0]
    assert (found[0] == last) == (last not in shown)
    assert int(shown[0]) not in found, "it is in the session"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MODELS)
def test_an_unknown_item_gets_its_share_of_the_chances(
    monkeypatch: pytest.MonkeyPatch,
    prepared: PreparedData,
    bundle: Bundle,
    trained: Trained,
    name: str,
    form: str,
) -> None:
    monkeypatch.setattr(ivf_index, "CELL_SIZE", 4)
    known = with_trends(known_in(form, prepared, bundle, trained, None), 1e-6)
    module = loaded(name, bundle, known)
    without = answer(module, known, prepared, None)[0]
    best = int(without[0])
    for share, first in ((0.999, True), (1e-33, False)):
        found, scores = answer(
            module, known, prepared, {best: 9.0, UNKNOWN: 10 * share / (1 - share)}
        )
        assert (found[0] == UNKNOWN) == first
        assert first or UNKNOWN not in found or found[-1] == UNKNOWN, "after all others"
        assert all(0 < score < 1 for score in scores)
        assert [each for each in found if each != UNKNOWN] == without[: len(found) - first]


@given(
    seed=st.integers(0, 1_000),
    share=st.floats(0.001, 0.999),
    sharpness=st.floats(0.05, 4.0),
)
def test_an_unknown_item_stands_where_its_chance_puts_it(
    seed: int, share: float, sharpness: float
) -> None:
    random = np.random.default_rng(seed)
    logit, order = (torch.from_numpy(random.normal(size=(1, 6)) * 2).float() for _ in range(2))
    order[0, 5] = float("-inf")
    odds = share / (1 - share)
    unknown = torch.tensor([[UNKNOWN]]), torch.tensor([[odds]]).log()
    known = torch.arange(6)[None]
    found, _ = best_of(known, logit, order, torch.tensor([[7]]), unknown, torch.tensor(sharpness))
    chances = torch.softmax(sharpness * (logit + order), 1)[0]
    ahead = [each for each in found[0].tolist() if each != UNKNOWN][
        : found[0].tolist().index(UNKNOWN)
    ]
    expected = [place for place in range(5) if float(chances[place]) > odds * (1 + 1e-4)]
    perhaps = [place for place in range(5) if float(chances[place]) > odds * (1 - 1e-4)]
    assert set(expected) <= set(ahead) <= set(perhaps)
    assert 5 not in found[0].tolist()


def test_an_unknown_item_of_the_session_does_not_come_again(
    prepared: PreparedData, bundle: Bundle, trained: Trained
) -> None:
    known = with_trends(known_in("dense", prepared, bundle, trained, None))
    module, trends = loaded("recommender", bundle, known), {UNKNOWN: 1e6, UNKNOWN + 1: 1e5}
    assert answer(module, known, prepared, trends)[0][:2] == [UNKNOWN, UNKNOWN + 1]
    assert UNKNOWN not in answer(module, known, prepared, trends, had=(UNKNOWN,))[0]


def test_where_every_known_item_was_seen_an_unknown_one_is_left(
    prepared: PreparedData, bundle: Bundle, trained: Trained
) -> None:
    known = with_trends(known_in("dense", prepared, bundle, trained, None))
    module = loaded("recommender", bundle, known)
    ids = torch.from_numpy(known.data.items.ids)[None]
    old, values = torch.ones_like(ids), torch.full(ids.shape, 5.0)
    request = torch.tensor([[1]]), torch.full((1, max(1, known.data.width)), float("nan"))
    end = torch.tensor([[int(known.data.events.time[-1]) + 1]]), torch.tensor([[5]])
    trends = torch.tensor([[UNKNOWN]]), torch.tensor([[3.0]])
    found, scores = module(*request, ids, old, values, *end, *trends)
    assert found.tolist() == [[UNKNOWN]]
    assert bool(torch.isfinite(scores).all())


def test_requests_of_a_batch_have_their_own_trends(
    prepared: PreparedData, bundle: Bundle, trained: Trained
) -> None:
    known = with_trends(known_in("dense", prepared, bundle, trained, None))
    module = loaded("recommender", bundle, known)
    inputs = parity._request(known, repository.parity_requests(prepared)[1])
    both = [torch.cat([each, each]) for each in (*inputs, torch.tensor([[5]]))]
    items, counts = torch.tensor([[UNKNOWN], [UNKNOWN + 1]]), torch.tensor([[1e6], [1e6]])
    assert module(*both, items, counts)[0][:, 0].tolist() == [UNKNOWN, UNKNOWN + 1]


def test_a_recalibrated_graph_keeps_the_order_by_trends(
    prepared: PreparedData, bundle: Bundle, trained: Trained
) -> None:
    known = with_trends(known_in("dense", prepared, bundle, trained, None), 40.0, 0.05)
    before, after = (loaded("recommender", bundle, known) for _ in range(2))
    recalibrated_graph.recalibrate_graph(after, CalibrationChange(1.3, -0.4))
    items = known.data.items.ids[:6].tolist()
    same, places = 0, range(20)
    for place in places:
        trends = {item: 2.0**at for at, item in enumerate(items)} | {UNKNOWN: 1.0 + place}
        lists = [answer(each, known, prepared, trends, place=place)[0] for each in (before, after)]
        assert UNKNOWN in lists[0]
        same += lists[0] == lists[1]
    assert same >= len(places) - 1, "a near tie may turn"
