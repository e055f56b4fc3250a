"""Exported graphs know what came after a session's newest events, as eager mode does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from recommender_training.evaluation import predictions
from recommender_training.export import parity, recalibrated_graph, repository
from recommender_training.export.build import ExportInputs
from recommender_training.export.recalibrated_graph import CalibrationChange
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.models import ivf_index, next_items
from tests.training_fixtures import Trained
from tests.unit.recommender_training.export.catalogue_forms import FORMS, known_in, loaded


def with_transitions(known: ExportInputs, one: float = 2.0, pair: float = 3.0) -> ExportInputs:
    order = replace(known.sources.order, next=one, pair=pair)
    return known.ordered_by(replace(known.sources, order=order))


@pytest.mark.parametrize("name", ["recommender", "baseline"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("again", [None, 0])
def test_a_graph_orders_by_what_came_next_as_eager_mode_does(
    monkeypatch: pytest.MonkeyPatch,
    prepared: PreparedData,
    bundle: Bundle,
    trained: Trained,
    name: str,
    form: str,
    again: int | None,
) -> None:
    monkeypatch.setattr(ivf_index, "CELL_SIZE", 4)
    known = with_transitions(known_in(form, prepared, bundle, trained, again))
    module = loaded(name, bundle, known)
    scorer = predictions.scorers(bundle, prepared)[name == "recommender"]
    requests = repository.parity_requests(prepared, again)
    found = parity.check_parity(module, scorer, known, requests)
    assert found["maxDifference"] < 1e-5
    assert found["maxDisorder"] < parity.RANK_TOLERANCE
    for wrong in ((0.0, 3.0), (2.0, 0.0), (2.0, 5.0)):
        with pytest.raises(parity.ParityError):
            parity.check_parity(module, scorer, with_transitions(known, *wrong), requests)


def test_a_graph_whose_lists_do_not_gain_has_no_table(
    prepared: PreparedData, bundle: Bundle, trained: Trained
) -> None:
    plain = known_in("dense", prepared, bundle, trained, None)
    names = ("next_starts", "next_places", "next_weights", "next_pairs")
    for known, there in ((plain, False), (with_transitions(plain), True)):
        buffers = dict(loaded("recommender", bundle, known).named_buffers())
        assert [buffers[name].numel() > 0 for name in names] == [there] * 4


@pytest.mark.parametrize("one", [0.0, 2.0])
def test_a_table_that_does_not_count_changes_no_order(
    prepared: PreparedData, bundle: Bundle, trained: Trained, one: float
) -> None:
    known = with_transitions(known_in("dense", prepared, bundle, trained, None), one, 2.0 - one)
    module = loaded("recommender", bundle, known)
    scorer = predictions.scorers(bundle, prepared)[1]
    requests = repository.parity_requests(prepared)[:10]
    assert parity.check_parity(module, scorer, known, requests)["maxDifference"] < 1e-5


def test_data_without_any_transition_gives_a_graph_without_a_table(
    prepared: PreparedData, bundle: Bundle, trained: Trained
) -> None:
    known = with_transitions(known_in("dense", prepared, bundle, trained, None))
    none = next_items.fit(prepared.data, int(prepared.data.events.time[0]))
    buffers = dict(loaded("recommender", bundle, replace(known, next_items=none)).named_buffers())
    assert not buffers["next_places"].numel()


def test_a_recalibrated_graph_keeps_the_order_by_what_came_next(
    prepared: PreparedData, bundle: Bundle, trained: Trained
) -> None:
    known = with_transitions(known_in("dense", prepared, bundle, trained, None), 40.0, 60.0)
    before, after = (loaded("recommender", bundle, known) for _ in range(2))
    recalibrated_graph.recalibrate_graph(after, CalibrationChange(1.3, -0.4))
    same = 0
    requests = repository.parity_requests(prepared)[:20]
    for request in requests:
        inputs = parity._request(known, request)
        (ids, _), (others, _) = (
            each(*inputs[:6], torch.tensor([[10]])) for each in (before, after)
        )
        same += int(np.array_equal(ids.numpy(), others.numpy()))
    assert same >= len(requests) - 1, "a near tie may turn"
