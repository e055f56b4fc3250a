"""The cheap dropout drops what it is asked to, and changes no expectation."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.benchmarks.models.dropout import DroppedLinear, zeroed

RATES = st.floats(0.0, 1.0, exclude_max=True)


def layer_of(rate: float, dtype: torch.dtype = torch.float32) -> DroppedLinear:
    """One input, one output, and the weight 1: what it answers is its input, dropped or scaled."""
    layer = DroppedLinear(1, 1, rate).to(dtype)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def dropped(rate: float, count: int, seed: int = 0) -> torch.Tensor:
    layer = layer_of(rate)
    torch.manual_seed(seed)
    return torch.as_tensor(layer(torch.ones(count, 1)).detach().squeeze(1))


@given(RATES)
def test_the_rate_is_the_one_asked_for_to_the_256th(rate: float) -> None:
    assert abs(layer_of(rate).rate - rate) <= 1 / 256


@given(RATES, st.integers(0, 2**31))
def test_the_expectation_and_the_rate_are_kept(rate: float, seed: int) -> None:
    count = 200_000
    layer, values = layer_of(rate), dropped(rate, count, seed)
    zero = (values == 0).double().mean().item()
    # Six standard deviations of a share of so many independent draws.
    noise = 6 * (layer.rate * (1 - layer.rate) / count) ** 0.5
    assert abs(zero - layer.rate) <= noise + 1e-12
    assert abs(values.double().mean().item() - 1) <= noise / (1 - layer.rate) + 1e-6


def test_a_layer_of_several_inputs_is_the_product_with_those_that_are_left() -> None:
    torch.manual_seed(1)
    layer, values = DroppedLinear(5, 3, 0.5).double(), torch.randn(7, 5, dtype=torch.float64)
    torch.manual_seed(2)
    found = layer(values)
    torch.manual_seed(2)
    left = zeroed(values, layer.threshold)
    assert 0 < int((left == 0).sum()) < left.numel()
    assert torch.equal(left[left != 0], values[left != 0])
    assert torch.allclose(found, 2 * left @ layer.weight.T + layer.bias, atol=1e-12)


def test_nothing_is_dropped_when_a_model_answers() -> None:
    values = torch.randn(17, 1)
    assert torch.equal(layer_of(0.9).eval()(values), values)
    assert torch.equal(layer_of(0.0)(values), values)
