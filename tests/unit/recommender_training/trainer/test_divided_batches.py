"""Divided or resumed in the middle, batches and masks stay those of one process."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from recommender_training.distributed.group import ONE_PROCESS, Group, rows_of_rank
from recommender_training.features import attributes
from recommender_training.features.prepared_data import PreparedData
from recommender_training.models.noise import RowNoise
from recommender_training.models.ranker import RankerSize, create_ranker
from recommender_training.trainer.batch_sampler import BatchSampler
from recommender_training.trainer.sync_batch_norm import SyncedBatchNorm

CPU = torch.device("cpu")


@given(rows=st.integers(0, 5000), size=st.integers(1, 40))
def test_shares_make_up_the_batch_and_none_is_larger_by_more_than_a_row(
    rows: int, size: int
) -> None:
    parts = [rows_of_rank(rows, rank, size) for rank in range(size)]
    covered = [row for part in parts for row in range(rows)[part.own]]
    assert covered == list(range(rows))
    lengths = [len(range(rows)[part.own]) for part in parts]
    assert max(lengths) - min(lengths) <= 1
    assert {part.rows for part in parts} == {rows}


@given(rows=st.integers(1, 30), size=st.integers(1, 5), rate=st.sampled_from([0.0, 0.3, 0.9]))
def test_the_masks_of_all_processes_are_those_of_one(rows: int, size: int, rate: float) -> None:
    batch = torch.arange(rows * 4, dtype=torch.float32).view(rows, 4) + 1
    alone = RowNoise(rate)
    torch.manual_seed(3)
    dropped, numbers = alone(batch), alone.uniform(rows, CPU)
    after = torch.get_rng_state()
    drops, uniforms = [], []
    for rank in range(size):
        noise = RowNoise(rate)
        noise.share = rows_of_rank(rows, rank, size)
        torch.manual_seed(3)
        own = batch[noise.share.own]
        drops.append(noise(own))
        uniforms.append(noise.uniform(len(own), CPU))
        assert torch.equal(torch.get_rng_state(), after), "the generators stay in step"
    assert torch.equal(torch.cat(drops), dropped)
    assert torch.equal(torch.cat(uniforms), numbers)


@given(
    rows=st.integers(1, 40), size=st.integers(1, 15), before=st.integers(0, 30), then=st.just(12)
)
def test_from_any_position_the_batches_are_those_that_would_have_come(
    rows: int, size: int, before: int, then: int
) -> None:
    torch.manual_seed(5)
    every = torch.arange(rows) * 10
    whole = BatchSampler(every, size, CPU)
    for _ in range(before):
        whole.take()
        torch.rand(3)  # a step draws, too
    state, generator = whole.state(), torch.get_rng_state()
    expected = [whole.take().tolist() for _ in range(then)]
    torch.manual_seed(99)
    again = BatchSampler(every, size, CPU)
    again.restore(state)
    torch.set_rng_state(generator)
    assert [again.take().tolist() for _ in range(then)] == expected
    assert (again.epochs, again.between_epochs) == (whole.epochs, whole.between_epochs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_synced_batch_norm_is_pytorchs_own_where_there_is_one_process(
    dtype: torch.dtype,
) -> None:
    """By two processes: tests/integration/test_distributed_training.py."""
    torch.manual_seed(1)
    rows = (torch.randn(64, 5) * 3 + 100).to(dtype)  # a mean that is large beside the spread
    theirs, shared = nn.BatchNorm1d(5), nn.BatchNorm1d(5)
    ours = SyncedBatchNorm(shared, ONE_PROCESS)
    weight = torch.randn(64, 5)
    gradients = []
    for norm in (theirs, ours):
        given_rows = rows.clone().requires_grad_()
        for _ in range(3):
            answer = norm(given_rows)
        assert answer.dtype is dtype
        (answer.float() * weight).sum().backward()
        assert given_rows.grad is not None
        gradients.append((answer.detach().float(), given_rows.grad.float(), norm.weight.grad))
    near = 1e-5 if dtype is torch.float32 else 2e-2
    for mine, expected in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(mine, expected, atol=near * 10, rtol=near)
    assert shared.running_mean is not None
    assert shared.running_var is not None
    assert theirs.running_mean is not None
    assert theirs.running_var is not None
    torch.testing.assert_close(shared.running_mean, theirs.running_mean, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(shared.running_var, theirs.running_var, atol=1e-3, rtol=1e-4)
    assert shared.num_batches_tracked == theirs.num_batches_tracked
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(rows.float()), theirs(rows.float()), atol=1e-4, rtol=1e-4)


@dataclass(frozen=True)
class Elsewhere(Group):
    """A peer has all rows: its sums of each batch norm are added to the own ones."""

    size: int = 2

    def total(self, value: torch.Tensor) -> torch.Tensor:
        rows = torch.tensor([[2.0], [40.0], [10.0]], dtype=value.dtype)
        return value + rows


def test_a_process_without_a_row_of_a_batch_keeps_in_step(prepared: PreparedData) -> None:
    """It learns nothing from it, remembers the same statistics, and draws as many numbers."""
    data = prepared.data
    size = RankerSize(data.users.count, attributes.sizes(data), 8, 0.1, 0.5)
    rows = torch.arange(50)
    model = create_ranker(prepared.data, prepared.inputs, rows, size=size).train()
    norms = {
        name: part for name, part in model.named_modules() if isinstance(part, nn.BatchNorm1d)
    }
    for name, norm in norms.items():
        setattr(model, name, SyncedBatchNorm(norm, Elsewhere()))
    model.drop.share = rows_of_rank(10, 0, 11)
    assert model.drop.share.own == slice(0, 0)
    logits = model(prepared.inputs.take(rows[model.drop.share.own]))
    assert logits.shape == (0,)
    logits.sum().backward()
    gradients = [weight.grad for weight in model.parameters()]
    assert all(gradient is not None for gradient in gradients), "DDP waits for each of them"
    assert not any(gradient.any() for gradient in gradients if gradient is not None)
    for norm in norms.values():
        assert norm.running_mean is not None
        torch.testing.assert_close(norm.running_mean, torch.full_like(norm.running_mean, 0.02))
