"""A fit leaves the mean of its weights where it averages them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from recommender_training.trainer.averaging import Average


@pytest.mark.parametrize("steps", [50, 300])
def test_the_mean_varies_less_than_weights_that_jump(steps: int) -> None:
    model = nn.Linear(1, 1)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        model.weight.fill_(2.0)
    average = Average(model, steps)
    seen = []
    for taken in range(1, 2001):
        with torch.no_grad():
            model.weight.copy_(2.0 + torch.randn(1, 1, generator=random))
        average.update(taken)
        seen.append(float(average.weights["weight"]))
    assert torch.tensor(seen[1000:]).std() < 0.2
    assert seen[-1] == pytest.approx(2.0, abs=0.4)


def test_the_first_weights_are_soon_forgotten() -> None:
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(100.0)
    average = Average(model, 1000)
    for taken in range(1, 101):
        with torch.no_grad():
            model.weight.fill_(1.0)
        average.update(taken)
    assert float(average.weights["weight"]) == pytest.approx(1.0, abs=0.1)


def test_the_model_has_the_mean_inside_the_block_alone() -> None:
    model = nn.Linear(2, 1)
    average = Average(model, 10)
    started = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.add_(1.0)
    with average.applied():
        assert torch.equal(model.weight, started)
    assert torch.equal(model.weight, started + 1.0)


def test_statistics_of_a_batch_norm_are_averaged_and_its_count_is_copied() -> None:
    norm = nn.BatchNorm1d(2)
    average = Average(norm, 10)
    norm(torch.randn(8, 2) + 5.0)
    average.update(1)
    assert norm.running_mean is not None
    share = average.weights["running_mean"] / norm.running_mean
    assert ((share > 0.5) & (share <= 1.0)).all()
    assert int(average.weights["num_batches_tracked"]) == 1


def test_a_restored_mean_goes_on_as_one_never_kept() -> None:
    model = nn.Linear(2, 1)
    one, other = Average(model, 5), Average(model, 5)
    with torch.no_grad():
        model.weight.add_(1.0)
    one.update(1)
    other.restore(copy.deepcopy(one.state()))
    with torch.no_grad():
        model.weight.add_(1.0)
    one.update(2)
    other.update(2)
    assert torch.equal(one.weights["weight"], other.weights["weight"])
