"""Batch norm over the rows of all processes.

`torch.nn.SyncBatchNorm` does the same on GPUs and refuses the CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recommender_training.distributed.group import Group


class SyncedBatchNorm(nn.BatchNorm1d):
    """Shares the weights and the running statistics of the batch norm that it stands in for."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, norm: nn.BatchNorm1d, group: Group) -> None:
        """`norm` keeps its tensors; they are changed in place."""
        super().__init__(norm.num_features, eps=norm.eps, momentum=norm.momentum)
        self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers():
            setattr(self, name, buffer)
        self._group = group

    def forward(self, input: Tensor) -> Tensor:
        """[B, F] of this process, by the mean and variance of the rows of all."""
        if not self.training:
            return super().forward(input)
        values = input.double()  # a variance as a difference of sums
        count = values.new_full((1, values.shape[1]), len(values))
        sums = torch.cat([values.sum(0, keepdim=True), (values**2).sum(0, keepdim=True), count])
        totals: Tensor = _Total.apply(sums, self._group)  # type: ignore[no-untyped-call]
        total, squares, rows = totals
        mean = total / rows
        variance = squares / rows - mean**2
        scaled = (values - mean) / torch.sqrt(variance + self.eps)
        with torch.no_grad():
            self._remember(mean, variance * rows / (rows - 1))
        return torch.as_tensor((scaled.float() * self.weight + self.bias).to(input.dtype))

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)


class _Total(torch.autograd.Function):
    """A sum over processes. Each one's part of the loss depends on it, so gradients are summed."""

    @staticmethod
    def forward(context: Any, value: Tensor, group: Group) -> Tensor:
        context.group = group
        return group.total(value.clone())

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        group: Group = context.group
        return group.total(gradients[0].clone()), None
