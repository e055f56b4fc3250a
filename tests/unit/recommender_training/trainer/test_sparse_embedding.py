"""Rows that are updated when they are read have what AdamW would have given them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from recommender_training.trainer.averaging import Average
from recommender_training.trainer.sparse_embedding import (
    Pull,
    SparseAdamWSettings,
    SparseEmbedding,
)

RATE, DECAY = 0.01, 0.1


def table(
    rows: int, width: int = 1, pull: Pull | None = None, mean: Tensor | None = None
) -> SparseEmbedding:
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(rows, width, generator=generator)
    return SparseEmbedding(weights, SparseAdamWSettings(RATE, DECAY, pull), mean)


def step(
    found: SparseEmbedding, rows: Tensor, gradient: Tensor, number: int, kept: float = 0.0
) -> None:
    found.catch_up(rows, number - 1, kept)
    found.update(rows, gradient, number)


def adamw(weights: Tensor, gradients: list[Tensor]) -> Tensor:
    own = nn.Parameter(weights.clone())
    optimizer = torch.optim.AdamW([own], lr=RATE, weight_decay=DECAY)
    for each in gradients:
        own.grad = each.clone()
        optimizer.step()
    return own.detach()


@given(steps=st.integers(1, 12), seed=st.integers(0, 100))
def test_rows_that_each_step_reads_are_those_of_adamw(steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradients = [torch.randn(5, 1, generator=generator) for _ in range(steps)]
    found = table(5)
    expected = adamw(found.weights, gradients)
    for number, gradient in enumerate(gradients, 1):
        step(found, torch.arange(5), gradient, number)
    torch.testing.assert_close(found.weights, expected, atol=1e-6, rtol=1e-5)


@given(gaps=st.lists(st.integers(0, 40), min_size=1, max_size=4), seed=st.integers(0, 100))
def test_a_row_read_after_a_gap_is_near_that_of_adamw(gaps: list[int], seed: int) -> None:
    """AdamW has zero gradients in the gaps; the second moment is held over each."""
    generator = torch.Generator().manual_seed(seed)
    gradients = [torch.randn(1, 1, generator=generator) for _ in range(20)]
    found, row = table(1), torch.tensor([0])
    start = found.weights.clone()
    for number, gradient in enumerate(gradients, 1):
        step(found, row, gradient, number)
    before = found.weights.clone()
    for gap in gaps:
        gradient = torch.randn(1, 1, generator=generator)
        gradients += [gradient, *[torch.zeros(1, 1)] * gap]
        step(found, row, gradient, len(gradients) - gap)
    found.catch_up_all(len(gradients), 0.0)
    expected = adamw(start, gradients)
    moved = max(float((expected - before).abs()), RATE)
    assert float((found.weights - expected).abs()) < 0.2 * moved


def test_a_row_has_one_second_moment_the_mean_over_its_columns() -> None:
    found = table(2, width=4)
    before = found.weights.clone()
    step(found, torch.tensor([0]), torch.tensor([[1.0, 0.0, 0.0, 0.0]]), 1)
    assert found.state()["second"].shape == (2, 1)
    moved = before[0, 0] * (1 - RATE * DECAY) - found.weights[0, 0]
    assert float(moved) == pytest.approx(RATE * 2, rel=1e-4)  # 1 over the root of a quarter


def test_rows_that_no_step_reads_stay_as_they_are() -> None:
    found = table(4)
    before = found.weights.clone()
    step(found, torch.tensor([2]), torch.ones(1, 1), 1)
    assert torch.equal(found.weights[[0, 1, 3]], before[[0, 1, 3]])
    assert not torch.equal(found.weights[2], before[2])


@given(idle=st.integers(1, 100_000), strength=st.floats(1e-8, 1e3))
def test_a_prior_never_draws_a_row_beyond_its_mean(idle: int, strength: float) -> None:
    pull = Pull(strength, torch.full((1, 1), 0.5))
    found = SparseEmbedding(torch.full((1, 1), 0.6), SparseAdamWSettings(RATE, 0.0, pull))
    step(found, torch.tensor([0]), torch.full((1, 1), -100.0), 1)
    found.restore({**found.state(), "first": torch.zeros(1, 1)})  # no momentum
    before = float(found.weights)
    after = float(found.catch_up(torch.tensor([0]), idle, 0.0))
    assert 0.5 - 1e-6 <= after <= before


def test_a_row_without_a_gradient_is_at_the_mean_of_its_prior() -> None:
    centre = torch.tensor([[3.0], [-2.0]])
    found = table(2, pull=Pull(0.01, centre))
    found.catch_up_all(5, 0.0)
    torch.testing.assert_close(found.weights, centre, atol=1e-2, rtol=0)


def test_without_a_prior_it_stays_where_it_started() -> None:
    weights = torch.randn(2, 3)
    found = SparseEmbedding(weights.clone(), SparseAdamWSettings(RATE, 0.0))
    found.catch_up_all(50, 0.0)
    assert torch.equal(found.weights, weights)


class Tabled(nn.Module):
    """A model with one table."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(weights.clone())


def test_the_mean_of_rows_read_now_and_then_is_that_of_all_steps() -> None:
    torch.manual_seed(2)
    weights = torch.randn(3, 2)
    model = Tabled(weights)
    dense, by_row = Average(model, 40), Average(model, 40, ["table"])
    mean = by_row.weights["table"]
    found = SparseEmbedding(weights.clone(), SparseAdamWSettings(RATE, 0.0), mean)
    rows = torch.tensor([0, 1])
    for number in range(1, 41):
        if number % 20 == 0:
            step(found, rows, torch.randn(2, 2), number, by_row.kept)
        else:
            found.catch_up_all(number, by_row.kept)
        with torch.no_grad():
            model.table.copy_(found.weights)
        dense.update(number)
        by_row.update(number)
    found.catch_up_all(40, by_row.kept)
    assert torch.equal(mean[2], weights[2])
    assert not torch.equal(mean[0], weights[0])
    torch.testing.assert_close(mean, dense.weights["table"], atol=2e-3, rtol=0)


def test_a_restored_table_goes_on_as_one_never_kept() -> None:
    one, other = table(3, width=2), table(3, width=2)
    for number in (1, 2):
        step(one, torch.tensor([0, 2]), torch.ones(2, 2), number)
    other.weights.copy_(one.weights)
    other.restore({name: value.clone() for name, value in one.state().items()})
    for found in (one, other):
        step(found, torch.tensor([1, 2]), torch.ones(2, 2), 7)
    assert torch.equal(one.weights, other.weights)


def test_moments_fade_in_the_steps_that_do_not_read_a_row() -> None:
    found, row = table(1), torch.tensor([0])
    step(found, row, torch.ones(1, 1), 1)
    before = {name: each.clone() for name, each in found.state().items()}
    found.catch_up(row, 301, 0.0)
    torch.testing.assert_close(found.state()["second"], before["second"] * 0.999**300)
    assert float(found.state()["first"]) < 1e-6 < float(before["first"])
