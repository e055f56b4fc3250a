"""A graph with another calibration: the probabilities are the recalibrated ones, lists stay."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from recommender_training.artifact import triton
from recommender_training.common.errors import InputError
from recommender_training.export import faults, torchscript
from recommender_training.export.comparison_requests import comparison_requests
from recommender_training.export.recalibrated_graph import (
    MOST_REORDERED,
    CalibrationChange,
    check_recalibrated,
    recalibrate_graph,
)
from recommender_training.features.prepared_data import PreparedData

PLATT = CalibrationChange(0.8, -0.6)


@pytest.fixture(autouse=True)
def one_thread(torch_as_before: None) -> None:
    """Threads that wait for one another take longer than the small graphs."""
    torch.set_num_threads(1)


def graph(folder: Path, name: str = "recommender") -> nn.Module:
    return torchscript.load(triton.model_path(folder, name))


@given(
    slope=st.floats(0.5, 2),
    shift=st.floats(-3, 3),
    logits=st.lists(st.floats(-8, 8), min_size=2, unique=True),
)
def test_recalibrated_probabilities_are_probabilities_in_the_same_order(
    slope: float, shift: float, logits: list[float]
) -> None:
    before = 1 / (1 + np.exp(-np.sort(logits)))
    after = CalibrationChange(slope, shift).probability(before)
    assert ((after > 0) & (after < 1)).all()
    assert (np.diff(after) >= 0).all()


@pytest.mark.parametrize("name", ["recommender", "baseline"])
def test_every_list_stays_and_every_probability_is_the_recalibrated_one(
    trained: Any, prepared: PreparedData, name: str
) -> None:
    before, after = graph(trained.staged, name), graph(trained.staged, name)
    recalibrate_graph(after, PLATT)
    for probe in comparison_requests(prepared.data):
        (items, scores), (others, found) = before(*probe), after(*probe)
        assert torch.equal(items, others)
        wanted = PLATT.probability(scores.numpy().astype(np.float64))
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5)
    assert check_recalibrated(before, after, PLATT, len(prepared.data.attributes)) == 0


@pytest.mark.parametrize("by", [(0.5, 1.386), (2.0, -1.386), (1.0, 0.7)], ids=str)
def test_whatever_may_be_fitted_no_list_changes_but_by_rounding(
    trained: Any, prepared: PreparedData, by: tuple[float, float]
) -> None:
    before, after, change = graph(trained.staged), graph(trained.staged), CalibrationChange(*by)
    recalibrate_graph(after, change)
    assert (
        check_recalibrated(before, after, change, len(prepared.data.attributes)) <= MOST_REORDERED
    )


def test_a_compressed_graph_keeps_its_lists_too(varied: Any, prepared: PreparedData) -> None:
    before, after = graph(varied.staged), graph(varied.staged)
    assert "retrieval_scale" in dict(after.named_buffers()), "Int8 serves"
    recalibrate_graph(after, PLATT)
    assert dict(after.named_buffers())["retrieval"].dtype == torch.int8
    assert check_recalibrated(before, after, PLATT, len(prepared.data.attributes)) == 0


def test_without_the_first_stage_the_check_finds_other_lists(
    trained: Any, prepared: PreparedData
) -> None:
    before, after = graph(trained.staged), graph(trained.staged)
    recalibrate_graph(after, PLATT)
    dict(after.named_buffers())["standing"].div_(PLATT.slope**8)
    with pytest.raises(InputError, match="another order"):
        check_recalibrated(before, after, PLATT, len(prepared.data.attributes))


@pytest.mark.parametrize(("buffer", "value"), [("offset", 3.0), ("offset", float("nan"))])
def test_another_probability_than_the_recalibrated_one_is_found(
    trained: Any, prepared: PreparedData, buffer: str, value: float
) -> None:
    before, after = graph(trained.staged), graph(trained.staged)
    recalibrate_graph(after, PLATT)
    dict(after.named_buffers())[buffer].fill_(value)
    with pytest.raises(InputError) as found:
        check_recalibrated(before, after, PLATT, len(prepared.data.attributes))
    assert found.value.reason == "RecalibrationFailed"


@pytest.mark.parametrize("level", [0.0, -6.0, 4.0], ids=["usual", "small", "large"])
def test_a_wrong_offset_is_found_at_probabilities_of_any_size(
    trained: Any, prepared: PreparedData, level: float
) -> None:
    before, after = graph(trained.staged), graph(trained.staged)
    dict(before.named_buffers())["offset"].add_(level)
    dict(after.named_buffers())["offset"].add_(level)
    recalibrate_graph(after, PLATT)
    features = len(prepared.data.attributes)
    assert check_recalibrated(before, after, PLATT, features) <= MOST_REORDERED
    dict(after.named_buffers())["offset"].add_(0.02)
    with pytest.raises(InputError, match=r"log-odds of a probability differ by 0\.02"):
        check_recalibrated(before, after, PLATT, features)


class Swapped(nn.Module):
    """A graph whose first answer has its two best items in the other order."""

    def __init__(self, of: nn.Module, *, with_scores: bool) -> None:
        super().__init__()
        self.of, self.left, self.with_scores = of, 1, with_scores

    def forward(self, *request: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        items, scores = self.of(*request)
        if self.left:
            self.left = 0
            items[0, :2] = items[0, :2].flip(0)
            if self.with_scores:
                scores[0, :2] = scores[0, :2].flip(0)
        return items, scores


def test_in_another_order_each_item_has_its_own_probability(
    trained: Any, prepared: PreparedData
) -> None:
    before, after = graph(trained.staged), graph(trained.staged)
    recalibrate_graph(after, PLATT)
    features = len(prepared.data.attributes)
    assert check_recalibrated(before, Swapped(after, with_scores=True), PLATT, features) == 1 / 256
    with pytest.raises(InputError, match="log-odds"):
        check_recalibrated(before, Swapped(after, with_scores=False), PLATT, features)


class Pages(nn.Module):
    """What the first stage of graphs of other releases and sizes has."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("temperature", "offset", "page_standing", "page_level", "popularity"):
            self.register_buffer(name, torch.ones(2))
        self.register_buffer("page_means", torch.ones(2))


def test_the_order_of_cells_and_of_early_releases_is_recalibrated_too() -> None:
    module = Pages()
    recalibrate_graph(module, PLATT)
    found = {name: float(value[0]) for name, value in module.named_buffers()}
    assert found.pop("page_means") == 1, "the request is multiplied"
    assert [found[name] for name in ("page_standing", "page_level", "popularity")] == [
        pytest.approx(0.8)
    ] * 3


def test_the_calibration_of_a_graph_is_composed(trained: Any) -> None:
    module = graph(trained.staged)
    buffers = dict(module.named_buffers())
    temperature, offset = (copy.deepcopy(buffers[name]) for name in ("temperature", "offset"))
    recalibrate_graph(module, PLATT)
    assert float(buffers["temperature"]) == pytest.approx(float(temperature) / 0.8)
    assert float(buffers["offset"]) == pytest.approx(0.8 * float(offset) - 0.6)


def test_a_graph_with_an_injected_fault_is_refused(trained: Any) -> None:
    wrapped = faults.LatencyFault(graph(trained.staged), 1)
    with pytest.raises(InputError) as found:
        recalibrate_graph(wrapped, PLATT)
    assert found.value.reason == "NotCalibrated"
    assert "retrain" in found.value.message
