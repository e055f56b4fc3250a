"""A layer with dropout before it, whose mask costs a tenth of PyTorch's on a CPU.

`nn.Dropout` draws a random number for each element there, one after another: a quarter of all the
time that a small ranker trains. A byte is enough: eight masks come out of each random word. Where
a mask is all ones or all zeros in the bits of an element, one AND applies it; the factor that
keeps the expectation is applied to the weights, which are fewer than the inputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

_LEVELS = 256
#: It holds no state from one call to the next.
_BITS = np.random.SFC64(0)
_FRESH = _BITS.state
_WHOLE = {2: torch.int16, 4: torch.int32, 8: torch.int64}


class DroppedLinear(nn.Linear):
    """Sets inputs to zero and scales the others, so that the expectation stays; then a layer.

    The rate is rounded to 1/256. The masks come from PyTorch's generator of the device, so
    that a seed repeats them.
    """

    def __init__(self, inputs: int, outputs: int, rate: float) -> None:
        """`rate` is from 0 to less than 1."""
        super().__init__(inputs, outputs)
        self.threshold = min(round(rate * _LEVELS), _LEVELS - 1)

    @property
    def rate(self) -> float:
        """The share of inputs that are set to zero."""
        return self.threshold / _LEVELS

    def forward(self, input: Tensor) -> Tensor:
        """[..., outputs] of [..., inputs]; nothing is dropped in evaluation mode."""
        if not self.training or self.threshold == 0:
            return super().forward(input)
        if input.device.type != "cpu" or torch.compiler.is_compiling():
            # PyTorch draws and applies the mask in one pass there, and code is compiled whole.
            return super().forward(functional.dropout(input, self.rate, training=True))
        scaled = self.weight * (1 / (1 - self.rate))
        return functional.linear(zeroed(input, self.threshold), scaled, self.bias)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{super().extra_repr()}, rate={self.rate:.4g}"


def zeroed(values: Tensor, threshold: int) -> Tensor:
    """`values` of any shape, of which a share of `threshold` (1 to 255) / 256 is set to zero."""
    zeroed: Tensor = _Zeroed.apply(values, threshold)  # type: ignore[no-untyped-call]
    return zeroed


class _Zeroed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, threshold: int) -> Tensor:
        whole = _WHOLE[values.element_size()]
        mask = _kept(values.numel(), threshold).to(whole).view(values.shape)
        ctx.save_for_backward(mask)
        return (values.view(whole) & mask).view(values.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return (gradient.contiguous().view(mask.dtype) & mask).view(gradient.dtype), None


def _kept(count: int, threshold: int) -> Tensor:
    """[count] int8: -1, which is all ones, or 0.

    Clamping the bytes to two neighbours is several times faster than comparing them, which no
    vector instruction does here.
    """
    top = _LEVELS - threshold
    drawn = _bytes(-(-count // 8))[:count]
    return drawn.clamp_(top - 1, top).sub_(top).view(torch.int8)


def _bytes(words: int) -> Tensor:
    """[8 * words] random uint8.

    PyTorch's generator takes twice the time of SFC64, and gives it a state for each call.
    """
    state = torch.empty(4, dtype=torch.int64).random_(-(2**63), None).numpy().view(np.uint64)
    _BITS.state = _FRESH | {"state": {"state": state}}
    return torch.from_numpy(_BITS.random_raw(words).view(np.uint8))
