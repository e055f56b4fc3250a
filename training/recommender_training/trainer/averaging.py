"""A running mean of a model's weights: it varies less from step to step than they do."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

#: Steps until the first weights count 1 / e of what they did, at the start of a fit.
_WARM_UP = 10
#: Updates within the steps of a mean at least: more cost time on large tables and change nothing.
_UPDATES = 64
#: The most that an update counts in the logarithm, which has no value for all of it.
_MOST = 1.0 - 1e-6


class Average:
    """Exponential mean of weights and of batch norm statistics over about `steps` steps."""

    def __init__(self, model: nn.Module, steps: float, by_row: Collection[str] = ()) -> None:
        """Start at the model's own weights. The means of tables `by_row` are kept by others."""
        self._model, self._steps, self._by_row = model, max(1.0, steps), frozenset(by_row)
        self._every = max(1, int(steps) // _UPDATES)
        self.weights: dict[str, Tensor] = {
            name: value.clone() for name, value in model.state_dict().items()
        }
        #: Logarithm of the share that the first weights still have in the mean.
        self.kept = 0.0

    def state(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {"weights": self.weights, "kept": self.kept}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the `state` of a checkpoint."""
        self.kept = float(state["kept"])
        for name, mean in self.weights.items():
            mean.copy_(state["weights"][name])

    @torch.no_grad()
    def update(self, taken: int) -> None:
        """Count the weights after step number `taken`, the first one being 1."""
        if taken % self._every:
            return
        share = self._every * max(1.0 / self._steps, 1.0 / (1.0 + taken / _WARM_UP))
        self.kept += math.log1p(-min(_MOST, share))
        for name, value in self._model.state_dict().items():
            if name in self._by_row:
                continue
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
