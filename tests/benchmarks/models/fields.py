"""Inputs of models that read categories alone: DeepFM and DIN.

Legend of shapes: N events, L history length, F fields of an event, K fields of an item.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from recommender_training.common.arrays import Ints
from recommender_training.data.dataset import Dataset
from recommender_training.features.assembly import Inputs

#: Columns of `FieldInputs.event`; the last ones are those of `FieldInputs.history`.
EVENT_FIELDS = ("user", "age", "gender", "occupation", "item", "year")
ITEM_FIELDS = ("item", "year")


@dataclass(frozen=True)
class FieldInputs:
    """One row an event; 0 is the unknown value of each field."""

    event: Tensor  # [N, F]
    history: Tensor  # [N, L, K] fields of the strictly earlier items
    present: Tensor  # [N, L]
    label: Tensor  # [N] float

    def take(self, rows: Tensor) -> FieldInputs:
        """The rows of a batch."""
        return FieldInputs(
            *(getattr(self, field.name).index_select(0, rows) for field in fields(self))
        )

    def to(self, device: torch.device) -> FieldInputs:
        """The same on a device."""
        return FieldInputs(*(getattr(self, field.name).to(device) for field in fields(self)))

    def without_history(self) -> FieldInputs:
        """The same for a model that reads no history, so batches need not gather it."""
        return FieldInputs(self.event, self.history[:, :0], self.present[:, :0], self.label)

    def __len__(self) -> int:
        return int(self.label.shape[0])


def sizes(data: Dataset) -> dict[str, int]:
    """Numbers of values of the fields, the unknown one included."""
    return {
        "user": data.users.count + 1,
        **{each.name: each.buckets for each in data.attributes},
        "item": data.items.count + 1,
        "year": int(_years(data).max(initial=0)) + 1,
    }


def build(inputs: Inputs, data: Dataset) -> FieldInputs:
    """The categories among the inputs of all events."""
    year = torch.from_numpy(np.concatenate([[0], _years(data)]))
    columns = [inputs.user, *inputs.side.unbind(1), inputs.target, year[inputs.target]]
    return FieldInputs(
        event=torch.stack(columns, 1),
        history=torch.stack([inputs.session, year[inputs.session]], 2),
        present=inputs.present,
        label=inputs.label,
    )


def _years(data: Dataset) -> Ints:
    """[I] number of each item's year of release, from 1; 0 where it is unknown."""
    seconds = data.items.times[:, data.items.time_names.index("release_year")]
    known = ~np.isnan(seconds)
    place = np.searchsorted(np.unique(seconds[known]), seconds) + 1
    return np.where(known, place, 0).astype(np.int64)
