"""Tables in fewer bytes: how far off they may be, and what they keep."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from recommender_training.export import compression

tables = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(-1e4, 1e4, width=32),
).map(torch.from_numpy)


@given(tables)
def test_whole_numbers_are_off_by_half_a_step_of_their_row_at_most(weights: Tensor) -> None:
    whole, scale = compression.to_int8(weights)
    assert whole.dtype == torch.int8
    off = (compression.from_int8(whole, scale) - weights).abs()
    step = weights.abs().amax(1, keepdim=True) / 127
    assert bool((off <= step * 0.5001 + 1e-30).all())
    assert int(whole.abs().max()) <= 127


@given(tables, st.floats(0.01, 1))
def test_what_is_pruned_is_never_larger_than_what_is_kept(weights: Tensor, share: float) -> None:
    kept, values = compression.keep_largest(weights, share)
    assert kept.shape[1] == max(1, round(share * weights.shape[1]))
    left = compression.from_kept(kept, values, weights.shape[1])
    for row, columns, rest in zip(weights, kept.long(), left, strict=True):
        assert torch.equal(rest[columns], row[columns])
        gone = torch.ones(len(row), dtype=torch.bool)
        gone[columns] = False
        assert not bool(rest[gone].any())
        assert not bool(gone.any()) or row[gone].abs().max() <= row[columns].abs().min()


def test_columns_take_two_bytes_until_there_are_too_many() -> None:
    assert compression.keep_largest(torch.rand(1, 32_767), 0.001)[0].dtype == torch.int16
    many = torch.zeros(1, 40_000)
    many[0, 39_999] = 1.0
    kept, _ = compression.keep_largest(many, 1e-9)
    assert (kept.dtype, kept.tolist()) == (torch.int32, [[39_999]])
