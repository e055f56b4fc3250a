"""How the embedding tables of a training are updated, and the memory that they take.

Both follow from the users and items, their events and the hyperparameters, so that they are known
before anything is fitted. Pure; bytes are exact sums over tensors, not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender_contract.resource.hyperparameters import (
    EmbeddingUpdates,
    Retrieval,
    RetrievalLoss,
)
from recommender_contract.resource.training_settings import Algorithm
from recommender_training.common.arrays import Ints
from recommender_training.common.errors import InputError
from recommender_training.config.training import TrainingConfig
from recommender_training.data import splits
from recommender_training.data.dataset import Dataset
from recommender_training.data.id_rows import IdRows, IdTables
from recommender_training.models.tower_examples import newest
from recommender_training.trainer import id_tables

#: Rows of a table from which on an update of the read rows alone is faster (ADR 0033).
LEAST_ROWS = 50_000
_FLOAT = 4
_MEGABYTE = 1_000_000
#: Who holds the features of items: the data, the ranker and the towers.
_HOLDERS = 3


def is_sparse(rows: int, wanted: EmbeddingUpdates) -> bool:
    """True if a step updates only the rows that it reads of a table of so many."""
    if wanted is EmbeddingUpdates.AUTO:
        return rows >= LEAST_ROWS
    return wanted is EmbeddingUpdates.ROWS


@dataclass(frozen=True)
class Table:
    """One embedding table of a model."""

    model: str  # ranker or towers
    name: str
    rows: int
    width: int
    by_row: bool
    #: Copies of the weights that a checkpoint has too: the best ones, and their mean.
    copies: int
    #: Whether the champion's weights are held, as the mean of the prior.
    centred: bool = False
    #: Ids that share rows, because they have few events.
    sharing: int = 0

    @property
    def weights(self) -> int:
        """Bytes of the weights."""
        return self.rows * self.width * _FLOAT

    @property
    def optimizer(self) -> int:
        """Bytes of the optimizer's state: two moments, or one and three numbers a row."""
        return self.weights + 3 * self.rows * _FLOAT if self.by_row else 2 * self.weights

    @property
    def fitting(self) -> int:
        """Bytes at the peak of the fit, when a checkpoint is written: it is made in memory."""
        others = (0 if self.by_row else self.weights) + (self.weights if self.centred else 0)
        saved = (1 + self.copies) * self.weights + self.optimizer
        return 2 * saved + others

    def facts(self) -> dict[str, Any]:
        """The entry of the report."""
        return {
            "model": self.model,
            "name": self.name,
            "rows": self.rows,
            "width": self.width,
            "sharingIds": self.sharing,
            "updates": (EmbeddingUpdates.ROWS if self.by_row else EmbeddingUpdates.DENSE).value,
            "weightBytes": self.weights,
            "optimizerBytes": self.optimizer,
        }


@dataclass(frozen=True)
class EmbeddingPlan:
    """All large tables of a training: those of ids. Other weights do not grow with the data."""

    tables: tuple[Table, ...]
    requested: EmbeddingUpdates
    #: Bytes of the features of items with a history: in the data, in the ranker and in the towers.
    histories: int = 0

    @property
    def peak(self) -> int:
        """Most bytes at once. Models are fitted one after another, and again with more data, while
        those that are finished are kept.
        """
        ranker, towers = ([t for t in self.tables if t.model == m] for m in ("ranker", "towers"))
        kept = _sum(table.weights for table in self.tables)
        while_ranker = _sum(table.fitting for table in ranker)
        while_towers = _sum(t.weights for t in ranker) + _sum(table.fitting for table in towers)
        return kept + max(while_ranker, while_towers)

    def facts(self) -> dict[str, Any]:
        """The section `embeddings` of the report."""
        return {
            "updates": self.requested.value,
            "peakBytes": self.peak,
            **({"itemHistoryBytes": self.histories} if self.histories else {}),
            "tables": [table.facts() for table in self.tables],
        }

    def summary(self) -> str:
        """The same for the log."""
        if not self.tables:
            return "embeddings: none"
        tables = ", ".join(
            f"{t.model} {t.name} {t.rows} x {t.width} {'by row' if t.by_row else 'dense'}"
            + (f" ({t.sharing} ids share rows)" if t.sharing else "")
            for t in self.tables
        )
        told = f"embeddings: {tables}; {_megabytes(self.peak)} MB at most during the fits"
        return told + (f"; {self._of_histories}" if self.histories else "")

    @property
    def _of_histories(self) -> str:
        return f"{_megabytes(self.histories)} MB of items over time"

    def check(self, most: int | None, limit: int | None) -> None:
        """Raise InputError `EmbeddingsTooLarge` where they take more than is allowed.

        `most` is hyperparameters.maxEmbeddingMegabytes, `limit` the bytes of memory of this
        container; None for no limit.
        """
        if most is not None and self.peak > most * _MEGABYTE:
            raise self._too_large(
                f"hyperparameters.maxEmbeddingMegabytes={most}",
                "raise it together with training.resources.limits.memory",
            )
        if limit is not None and self.peak + self.histories > limit:
            beside = f" beside {self._of_histories}" if self.histories else ""
            if not self.tables:
                raise InputError(
                    "EmbeddingsTooLarge",
                    f"{self._of_histories} need more than the {_megabytes(limit)} MB of memory of "
                    "this container: raise training.resources.limits.memory, or shorten "
                    "data.window.days",
                )
            raise self._too_large(
                f"the {_megabytes(limit)} MB of memory of this container{beside}",
                "raise training.resources.limits.memory"
                + (", shorten data.window.days" if self.histories else ""),
            )

    def _too_large(self, bound: str, remedy: str) -> InputError:
        largest = max(self.tables, key=lambda table: table.fitting)
        others = [f"lower hyperparameters.embeddingDim ({largest.width})"]
        others.append("raise hyperparameters.minIdEvents, so that more ids share rows")
        if any(table.model == "towers" for table in self.tables):
            others.append("set hyperparameters.retrieval to Weights")
        return InputError(
            "EmbeddingsTooLarge",
            f"the embeddings need {_megabytes(self.peak)} MB during the training, more than "
            f"{bound}; the largest table is {largest.name} of the {largest.model}, "
            f"{largest.rows} rows of {largest.width}: {remedy}, {', or '.join(others)}",
        )


def plan_embeddings(data: Dataset, config: TrainingConfig) -> EmbeddingPlan:
    """The tables of a training with this configuration.

    Each is that of the fit in which it takes more memory. The second, on more rows, has fewer rare
    ids, but a longer table may take less, because it is updated by row.
    """
    fits = [tuple(_tables(data, rows, config)) for rows in _rows_of_fits(data, config)]
    found = (max(same, key=lambda table: table.fitting) for same in zip(*fits, strict=True))
    held = 0 if data.items.history is None else _HOLDERS * data.items.nbytes
    return EmbeddingPlan(tuple(found), config.hyperparameters.embedding_updates, held)


def _rows_of_fits(data: Dataset, config: TrainingConfig) -> list[Ints]:
    """The rows of each fit; where no id shares a row, they do not matter and are left out."""
    counts = (data.users.count, data.items.count)
    if all(id_tables.least_events(count, config.hyperparameters) == 1 for count in counts):
        return [np.zeros(0, dtype=np.int64)]
    split = splits.temporal(data.events)
    return [np.concatenate([split.train, split.validation]), split.train]


def _tables(data: Dataset, rows: Ints, config: TrainingConfig) -> Iterator[Table]:
    yield from _of_ranker(id_tables.id_tables(data, rows, config.hyperparameters), config)
    items = id_tables.of_items(data, newest(data.events, rows), config.hyperparameters)
    yield from _of_towers(data, items, config)


def _of_ranker(ids: IdTables, config: TrainingConfig) -> Iterator[Table]:
    if config.algorithm is not Algorithm.DEEP_RANKER:
        return
    settings = config.hyperparameters
    centred = config.warm_start is not None
    for name, own in (("users", ids.users), ("items", ids.items)):
        by_row = is_sparse(own.count, settings.embedding_updates)
        width = settings.embedding_dim
        yield Table("ranker", name, own.count, width, by_row, 2, centred, own.sharing)


def _of_towers(data: Dataset, items: IdRows, config: TrainingConfig) -> Iterator[Table]:
    settings = config.hyperparameters
    if settings.retrieval is Retrieval.WEIGHTS:
        return
    sampled = settings.retrieval_loss is RetrievalLoss.SAMPLED_SOFTMAX
    sizes = (
        ("items", items.count, settings.embedding_dim, items.sharing),
        ("biases", data.items.count, 1, 0),
    )
    for name, rows, width, sharing in sizes:
        by_row = sampled and is_sparse(rows, settings.embedding_updates)
        yield Table("towers", name, rows, width, by_row, copies=1, sharing=sharing)


def _sum(sizes: Iterable[int]) -> int:
    return sum(sizes)


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:,.0f}"
