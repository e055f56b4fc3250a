"""The processes that train one model together: gloo between CPUs, nccl between GPUs.

Every process draws the same random numbers and holds the same weights, so that what is decided
from sums over all of them is decided alike. The first one alone writes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor

if TYPE_CHECKING:
    from recommender_training.distributed.peers import Peers


@dataclass(frozen=True)
class Share:
    """The part of a batch that one process has."""

    rows: int  # of the whole batch
    own: slice


def share(rows: int, rank: int, size: int) -> Share:
    """The part of process `rank` of `size`: contiguous, none larger by more than one row."""
    return Share(rows, slice(rows * rank // size, rows * (rank + 1) // size))


@dataclass(frozen=True)
class Group:
    """This process among its peers; by default it is alone."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    peers: Peers | None = None

    @property
    def alone(self) -> bool:
        """Whether there is nobody to share with."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this is the process that evaluates and writes."""
        return self.rank == 0

    def share(self, rows: int) -> Share:
        """The part of so many rows that this process has."""
        return share(rows, self.rank, self.size)

    def total(self, value: Tensor) -> Tensor:
        """The sum over all processes, in place, and the same bits in each."""
        if not self.alone:
            dist.all_reduce(value)
        return value

    def join(self, own: Tensor, rows: int) -> Tensor:
        """[rows] from the parts `own` that each process has of them; on the CPU."""
        if self.alone:
            return own
        whole = torch.zeros(rows, dtype=own.dtype, device=self.device)
        whole[self.share(rows).own] = own.to(self.device)
        return self.total(whole).cpu()

    def from_first(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """What the first process has: tensors, numbers and texts, or None."""
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
        """Let the others hear it."""
        if self.peers is not None:
            self.peers.tell(key, text)

    def hear(self, key: str) -> str:
        """What the first process tells. Raises PeerError as `Peers.hear`."""
        assert self.peers is not None, "a process alone has nobody to hear"
        return self.peers.hear(key)

    def lineage(self) -> dict[str, int]:
        """What the manifest says of a group; nothing of one process."""
        return {} if self.alone else {"processes": self.size}


ONE_PROCESS = Group()
