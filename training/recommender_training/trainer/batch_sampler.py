"""The batches of shuffled epochs, one after another, from any position on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class BatchSampler:
    """Batches of `rows` [N] on a device; each epoch is shuffled anew by PyTorch's generator.

    What is kept of a position is the number of batches and the generator at the start of the
    epoch, which draws the same order again: an order itself is as large as the data. For the same
    reason it is held as places in `rows`, in 32 bits.
    """

    def __init__(self, rows: Tensor, size: int, device: torch.device) -> None:
        self._rows, self._size = rows.to(device), size
        self.per_epoch = max(1, -(-len(rows) // size))
        #: Batches taken so far, over all epochs.
        self.taken = 0
        self._generator = torch.get_rng_state()
        self._order = torch.zeros(0, dtype=torch.int32, device=device)

    @property
    def between_epochs(self) -> bool:
        """True if the next batch is the first of an epoch."""
        return self.taken % self.per_epoch == 0

    @property
    def epochs(self) -> float:
        """Epochs so far, parts of one included."""
        return self.taken / self.per_epoch

    def take(self) -> Tensor:
        """The next batch; the last one of an epoch may be smaller."""
        if self.between_epochs:
            self._generator = torch.get_rng_state()
            self._shuffle()
        start = self.taken % self.per_epoch * self._size
        self.taken += 1
        return self._rows.index_select(0, self._order[start : start + self._size])

    def state(self) -> dict[str, Any]:
        """The position."""
        return {"taken": self.taken, "generator": self._generator}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a position. The generator is left anywhere: the caller restores it, too."""
        self.taken, self._generator = int(state["taken"]), state["generator"]
        if not self.between_epochs:
            torch.set_rng_state(self._generator)
            self._shuffle()

    def _shuffle(self) -> None:
        del self._order  # never two of them
        order = torch.randperm(len(self._rows), dtype=torch.int32)
        self._order = order.to(self._rows.device)
