"""AdamW by PyTorch's fused kernel, without PyTorch's compiler.

`torch.optim.AdamW` imports `torch._dynamo` when it is created. The functional form beside it does
not, and makes the same step to the bit (ADR 0088).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adamw import adamw

#: As those of `torch.optim.AdamW`.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class AdamW:
    """Weights that are updated in place by their gradients, and the state of each."""

    def __init__(
        self, weights: Iterable[Tensor], learning_rate: float, weight_decay: float
    ) -> None:
        """Weights that require no gradient now are never updated."""
        self._weights = [weight for weight in weights if weight.requires_grad]
        self._learning_rate, self._weight_decay = learning_rate, weight_decay
        self._steps = [torch.zeros((), device=weight.device) for weight in self._weights]
        self._first = [torch.zeros_like(weight) for weight in self._weights]
        self._second = [torch.zeros_like(weight) for weight in self._weights]

    def drop_gradients(self) -> None:
        """Forget the gradients of the last step."""
        for weight in self._weights:
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update the weights that have a gradient."""
        gradients = {
            place: weight.grad
            for place, weight in enumerate(self._weights)
            if weight.grad is not None
        }
        adamw(
            [self._weights[place] for place in gradients],
            list(gradients.values()),
            [self._first[place] for place in gradients],
            [self._second[place] for place in gradients],
            [],
            [self._steps[place] for place in gradients],
            fused=True,
            amsgrad=False,
            beta1=BETA_1,
            beta2=BETA_2,
            lr=self._learning_rate,
            weight_decay=self._weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def state(self) -> dict[str, list[Tensor]]:
        """State for a checkpoint."""
        return {"steps": self._steps, "first": self._first, "second": self._second}

    def restore(self, state: dict[str, list[Tensor]]) -> None:
        """Go on from a `state`."""
        for name, mine in self.state().items():
            for own, kept in zip(mine, state[name], strict=True):
                own.copy_(kept)
