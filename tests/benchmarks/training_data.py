"""MovieLens 100K for the training benchmark: the same rows and fields for each side."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recommender_contract.resource.mapping import Format
from recommender_examples import movielens
from recommender_training.common.arrays import Ints
from recommender_training.config.training import TrainingConfig
from recommender_training.data.load import load_dataset as read_data
from recommender_training.features.prepared_data import PreparedData, prepare_data
from recommender_training.ingestion import ingest
from tests.benchmarks.models import fields
from tests.benchmarks.models.fields import EVENT_FIELDS, FieldInputs

#: As `peer_messages.recbole_worker` names it.
DATASET = "movielens"
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Task:
    """Rows of the global temporal split, and the fields that the models read."""

    prepared: PreparedData
    inputs: FieldInputs
    newest: int | None  # of the training rows; all if None

    def rows(self, part: str, model: str) -> Tensor:
        """The rows of a part; DIN, here as in RecBole, omits those without a history."""
        split = self.prepared.split
        of = {"train": split.train, "valid": split.validation, "test": split.test}
        rows = torch.from_numpy(of[part])
        if part == "train" and self.newest is not None:
            rows = rows[-self.newest :]
        return rows[self.inputs.present[rows].any(1)] if model == "DIN" else rows

    def key(self, rows: Tensor) -> Ints:
        """[rows] one number for each pair of user and item, which occur once."""
        event = self.inputs.event[rows].numpy()
        user, item = event[:, EVENT_FIELDS.index("user")], event[:, EVENT_FIELDS.index("item")]
        return pair(user, item)


def pair(user: Ints, item: Ints) -> Ints:
    """One number for each pair."""
    return (user * 1_000_000 + item).astype(np.int64)


def make(folder: Path, newest: int | None = None) -> Task:
    """Ingest and feature MovieLens, and leave the task below `folder` for the processes."""
    source, lake = folder / "raw", folder / "lake"
    movielens.fetch(source)
    checked = ingest.ingest_and_check(source, lake, kind=Format.MOVIELENS_100K)
    _, data = read_data(lake, checked.data_version, None)
    prepared = prepare_data(data, TrainingConfig())
    task = Task(prepared, fields.build(prepared.kept, data), newest)
    (folder / "task.pickle").write_bytes(pickle.dumps(task))
    return task


def load(folder: Path) -> Task:
    """The task that `make` wrote."""
    task = pickle.loads((folder / "task.pickle").read_bytes())
    assert isinstance(task, Task)
    return task


def write_recbole(task: Task, model: str, folder: Path) -> Path:
    """Write the task as RecBole's atomic files, already split; returns its `data_path`.

    Ids are our row numbers, so both sides distinguish the same entities, and 0 is an ordinary id.
    """
    home = folder / model
    (home / DATASET).mkdir(parents=True, exist_ok=True)
    event = task.inputs.event.numpy()
    by = {name: event[:, column] for column, name in enumerate(EVENT_FIELDS)}
    users = np.unique(event[:, : len(EVENT_FIELDS) - 2], axis=0)
    items = np.unique(event[:, len(EVENT_FIELDS) - 2 :], axis=0)
    header = "user_id:token\tage:token\tgender:token\toccupation:token"
    _write(home / DATASET / f"{DATASET}.user", header, _lines(users))
    _write(home / DATASET / f"{DATASET}.item", "item_id:token\tyear:token", _lines(items))
    items_only = task.inputs.history[:, :, 0].numpy()
    present, label = task.inputs.present.numpy(), task.inputs.label.numpy()
    for part in PARTS:
        lines = (
            f"{by['user'][row]}\t{by['item'][row]}\t{label[row]:.0f}\t"
            + " ".join(map(str, items_only[row][present[row]]))
            for row in task.rows(part, model).tolist()
        )
        header = "user_id:token\titem_id:token\tlabel:float\titem_id_list:token_seq"
        _write(home / DATASET / f"{DATASET}.{part}.inter", header, lines)
    return home


def _lines(table: Ints) -> Iterator[str]:
    return ("\t".join(map(str, row)) for row in table)


def _write(path: Path, header: str, lines: Iterator[str]) -> None:
    path.write_text("\n".join([header, *lines, ""]))
