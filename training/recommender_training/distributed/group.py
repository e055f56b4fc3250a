"""The process group of a distributed training: gloo between CPUs, nccl between GPUs.

All processes draw the same random numbers and hold the same weights, so decisions from sums over
all processes are the same. Only the first process writes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor

if TYPE_CHECKING:
    from recommender_training.distributed.peer_messages import Peers


@dataclass(frozen=True)
class Share:
    """The part of a batch that a process computes."""

    rows: int  # of the whole batch
    own: slice


def rows_of_rank(rows: int, rank: int, size: int) -> Share:
    """Return the contiguous part of process `rank` of `size`; sizes differ by at most one row."""
    return Share(rows, slice(rows * rank // size, rows * (rank + 1) // size))


@dataclass(frozen=True)
class Group:
    """The group of this process; by default a single process."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    peers: Peers | None = None

    @property
    def alone(self) -> bool:
        """True if this is the only process."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """True if this is the process that evaluates and writes."""
        return self.rank == 0

    def share(self, rows: int) -> Share:
        """Return the part of `rows` rows that belongs to this process."""
        return rows_of_rank(rows, self.rank, self.size)

    def total(self, value: Tensor) -> Tensor:
        """Sum over all processes, in place; the result is bitwise equal in each."""
        if not self.alone:
            dist.all_reduce(value)
        return value

    def whole(self, own: Tensor, rows: int) -> Tensor:
        """Return [rows, ...] on its device, joined from the part `own` of each process."""
        if self.alone:
            return own
        found = own.new_zeros(rows, *own.shape[1:])
        found[self.share(rows).own] = own
        return self.total(found)

    def join(self, own: Tensor, rows: int) -> Tensor:
        """Return [rows] on the CPU, joined from the part `own` of each process."""
        if self.alone:
            return own
        return self.whole(own.to(self.device), rows).cpu()

    def from_first(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Broadcast a value of the first process: tensors, numbers and texts, or None."""
        if self.alone:
            return value
        data = torch.zeros(0, dtype=torch.uint8)
        if self.first and value is not None:
            buffer = io.BytesIO()
            torch.save(value, buffer)
            data = torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)
        length = torch.tensor([len(data)], device=self.device)
        dist.broadcast(length, 0)
        if not (count := int(length)):
            return None
        data = (
            data.to(self.device)
            if self.first
            else torch.zeros(count, dtype=torch.uint8, device=self.device)
        )
        dist.broadcast(data, 0)
        found = torch.load(
            io.BytesIO(data.cpu().numpy().tobytes()), map_location="cpu", weights_only=True
        )
        return dict(found)

    def tell(self, key: str, text: str) -> None:
        """Send a text to the other processes."""
        if self.peers is not None:
            self.peers.tell(key, text)

    def hear(self, key: str) -> str:
        """Wait for a text of the first process. Raises PeerError as `Peers.hear` does."""
        assert self.peers is not None, "a single process has no peers"
        return self.peers.hear(key)

    def lineage(self) -> dict[str, int]:
        """Return the entry of the manifest; empty for a single process."""
        return {} if self.alone else {"processes": self.size}


ONE_PROCESS = Group()
