"""A running mean of a model's weights: it varies less from step to step than they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

#: Steps until the first weights count 1 / e of what they did, at the start of a fit.
_WARM_UP = 10
#: Updates within the steps of a mean at least: more cost time on large tables and change nothing.
_UPDATES = 64


class Average:
    """Exponential mean of weights and of batch norm statistics over about `steps` steps."""

    def __init__(self, model: nn.Module, steps: float) -> None:
        """Start at the model's own weights."""
        self._model, self._steps = model, max(1.0, steps)
        self._every = max(1, int(steps) // _UPDATES)
        self.weights: dict[str, Tensor] = {
            name: value.clone() for name, value in model.state_dict().items()
        }

    def restore(self, weights: dict[str, Tensor]) -> None:
        """Go on from the mean `weights` of a checkpoint."""
        for name, mean in self.weights.items():
            mean.copy_(weights[name])

    @torch.no_grad()
    def update(self, taken: int) -> None:
        """Count the weights after step number `taken`, the first one being 1."""
        if taken % self._every:
            return
        share = self._every * max(1.0 / self._steps, 1.0 / (1.0 + taken / _WARM_UP))
        for name, value in self._model.state_dict().items():
            mean = self.weights[name]
            if mean.is_floating_point():
                mean.lerp_(value, min(1.0, share))
            else:
                mean.copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the mean weights inside the block, and its own ones after it."""
        own = {name: value.clone() for name, value in self._model.state_dict().items()}
        self._model.load_state_dict(self.weights)
        try:
            yield
        finally:
            self._model.load_state_dict(own)
