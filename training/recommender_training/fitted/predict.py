"""Predictions of a PyTorch model, in batches."""

from __future__ import annotations

from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

_BATCH = 8192


class Rows(Protocol):
    """Inputs of a model, one row an event: kept, or computed by batch."""

    def take(self, rows: Tensor) -> Any:
        """The rows of a batch, as the model takes them."""
        ...

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        ...


def predict(model: nn.Module, inputs: Rows, rows: Tensor) -> Tensor:
    """[rows] logits in evaluation mode and single precision, as doubles for the metrics.

    Model, inputs and rows are on one device; the logits are on the CPU.
    """
    model.eval()
    if len(rows) == 0:
        return torch.zeros(0, dtype=torch.float64)
    with torch.inference_mode():
        parts = [model(inputs.take(part)) for part in torch.split(rows, _BATCH)]
    return torch.cat(parts).double().cpu()
