"""The tables of a fit whose rows are updated as batches read them, the rest being AdamW's.

A dense update reads and writes every row of a table in each step, whatever the batch. Processes
of a group hold the same tables: they exchange the rows that each reads, and their gradients.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from recommender_contract.resource.hyperparameters import EmbeddingUpdates
from recommender_training.distributed.group import Group
from recommender_training.trainer.averaging import Average
from recommender_training.trainer.embedding_plan import is_sparse
from recommender_training.trainer.sparse_embedding import (
    Pull,
    SparseAdamWSettings,
    SparseEmbedding,
)


@runtime_checkable
class ReadsRows(Protocol):
    """A model of which each batch reads some rows of large tables.

    Its `forward` takes these rows as a second argument: [B, W, D] by the name of the table.
    """

    @property
    def row_tables(self) -> tuple[str, ...]:
        """Names of the parameters, each [R, D] or [R], that a batch reads by row."""
        ...

    def rows_of(self, batch: Any, tables: Collection[str]) -> dict[str, Tensor]:
        """[B, W] the rows of each of the `tables` that `forward` reads of this batch."""
        ...


def sparse_tables(model: nn.Module, wanted: EmbeddingUpdates) -> tuple[str, ...]:
    """The tables of a model that are updated by row; a frozen one is not updated at all."""
    if not isinstance(model, ReadsRows):
        return ()
    tables = {name: model.get_parameter(name) for name in model.row_tables}
    learned = {name: table for name, table in tables.items() if table.requires_grad}
    return tuple(name for name, table in learned.items() if is_sparse(len(table), wanted))


@dataclass(frozen=True)
class _Read:
    """The rows of one table in a step: [U] of all processes, and where those of a batch are."""

    rows: Tensor
    places: Tensor  # [names of all processes]
    own: Tensor  # [B, W, D] what the model reads, and learns the gradient of


class SparseOptimizer:
    """Tables by name, with what a step reads of them."""

    def __init__(self, model: nn.Module, names: tuple[str, ...], group: Group) -> None:
        """Detach the tables from the model's gradient, until `restore`."""
        self._model, self._names, self._group = model, names, group
        self._tables: dict[str, SparseEmbedding] = {}
        self._reads: dict[str, _Read] = {}
        for name in names:
            model.get_parameter(name).requires_grad_(False)

    def start(
        self,
        learning_rate: float,
        weight_decay: float,
        pulls: Mapping[str, Pull],
        average: Average | None,
    ) -> None:
        """Create the optimizer's state, beside the weights on their device."""
        for name in self._names:
            weights = self._model.get_parameter(name).data
            rows = weights.view(len(weights), -1)
            settings = SparseAdamWSettings(learning_rate, weight_decay, pulls.get(name))
            mean = None if average is None else average.weights[name].view(rows.shape)
            self._tables[name] = SparseEmbedding(rows, settings, mean)

    def read(self, batch: Any, step: int, kept: float, whole: int) -> dict[str, Tensor]:
        """[B, W, D] of each table what the model reads of its `batch`, before step `step`.

        The batches of all processes have `whole` rows.
        """
        model = self._model
        assert isinstance(model, ReadsRows)
        self._reads = {}
        for name, named in model.rows_of(batch, self._names).items():
            every = self._group.whole(named, whole)
            rows, places = torch.unique(every, return_inverse=True)
            weights = self._tables[name].catch_up(rows, step - 1, kept)
            mine = places[self._group.share(whole).own]
            own = weights.index_select(0, mine.reshape(-1)).view(*mine.shape, -1)
            self._reads[name] = _Read(rows, places, own.requires_grad_())
        return {name: read.own for name, read in self._reads.items()}

    def step(self, step: int) -> None:
        """Update what `read` gave, by its gradient: the mean over the processes, as DDP has it."""
        for name, read in self._reads.items():
            assert read.own.grad is not None
            every = self._group.whole(read.own.grad, len(read.places)) / self._group.size
            gradient = every.new_zeros(len(read.rows), every.shape[-1])
            gradient.index_add_(0, read.places.reshape(-1), every.view(-1, every.shape[-1]))
            self._tables[name].update(read.rows, gradient, step)
        self._reads = {}

    def catch_up(self, done: int, kept: float) -> None:
        """Give all rows the steps up to `done`."""
        for table in self._tables.values():
            table.catch_up_all(done, kept)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """State of each table for a checkpoint, beside weights and means."""
        return {name: table.state() for name, table in self._tables.items()}

    def load(self, state: Mapping[str, dict[str, Tensor]]) -> None:
        """Go on from a `state`."""
        for name, table in self._tables.items():
            table.restore(state[name])

    def restore(self) -> None:
        """Leave the model's tables as any other parameters."""
        for name in self._names:
            self._model.get_parameter(name).requires_grad_(True)
