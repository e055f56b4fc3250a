"""The model as one of several processes fits it: DistributedDataParallel, and what it leaves out.

DDP sums gradients. Batch norm and the random masks also look at more than one row, so that they
know of the whole batch: the batch norm by sums over all processes, the masks by its size.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from recommender_training.distributed.group import Group
from recommender_training.models.noise import RowNoise
from recommender_training.trainer.runtime import Runtime
from recommender_training.trainer.sync_batch_norm import SyncedBatchNorm


class Replica:
    """A model on its device, prepared for one process or for one of a group."""

    forward: Callable[..., Tensor]

    def __init__(self, model: nn.Module, how: Runtime, group: Group) -> None:
        """Change `model` in place; with a group, `restore` undoes it."""
        self._group = group
        self._norms: list[tuple[nn.Module, str, nn.BatchNorm1d]] = []
        self._noises = [part for part in model.modules() if isinstance(part, RowNoise)]
        self.forward = how.prepare(model)
        if group.alone or not any(weights.requires_grad for weights in model.parameters()):
            return  # DDP refuses a model of which it sums no gradient
        for parent in list(model.modules()):
            for name, norm in list(parent.named_children()):
                if isinstance(norm, nn.BatchNorm1d):
                    self._norms.append((parent, name, norm))
                    setattr(parent, name, SyncedBatchNorm(norm, group))
        self.forward = DistributedDataParallel(
            model,
            device_ids=[how.device] if how.device.type == "cuda" else None,
            broadcast_buffers=False,  # they come out alike by themselves
            gradient_as_bucket_view=True,
        )

    def divide(self, rows: int) -> slice:
        """The part of a batch of so many rows that this process has."""
        part = self._group.share(rows)
        if not self._group.alone:
            for noise in self._noises:
                noise.share = part
        return part.own

    def restore(self) -> None:
        """Leave the model as one process knows it."""
        for parent, name, norm in self._norms:
            setattr(parent, name, norm)
        for noise in self._noises:
            noise.share = None
