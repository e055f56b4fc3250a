"""The ranker's weights in an artifact, for the warm start of a later training.

One safetensors file with tensors and one JSON text, without code. The weights are from before the
final fit and have not seen the validation window. A later training, whose validation window starts
no earlier, can still use that window for early stopping and calibration (ADR 0013).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.common.arrays import Ints
from recommender_training.common.durable_files import write_bytes
from recommender_training.data.dataset import Dataset
from recommender_training.features.item_content import content_names
from recommender_training.features.names import number_names

SCHEMA = "recommender.dev/checkpoint/v3"
#: Where ids share rows: a reader of v3 would take the rows of the tables for those of the ids.
SHARED_SCHEMA = "recommender.dev/checkpoint/v4"
PATH = "checkpoint/ranker.safetensors"
#: All other data is one text, since the format does not fix the order of several.
_FACTS = "recommender"
#: Ids of the rows of the user and item tables.
_USER_IDS, _ITEM_IDS = "ids.user", "ids.item"
#: Rows of the tables that ids read, by the table, where some share one.
_ROWS = {"user.weight": "rows.user", "item.weight": "rows.item"}


class CheckpointError(Exception):
    """Raised if there is no usable checkpoint; the text says why."""


@dataclass(frozen=True)
class Words:
    """Meanings of the embedding rows and numeric features, except users and items."""

    numbers: tuple[str, ...]
    #: Name and categories of each attribute of the user, in the order of their tables.
    attributes: tuple[tuple[str, tuple[str, ...]], ...]
    #: Categories and bands of the items, places of their embeddings, and numbers beside bands.
    content: tuple[str, ...]

    @classmethod
    def of(cls, data: Dataset, groups: Iterable[FeatureGroup]) -> Words:
        """Return those of a data set, with the features of this release and of `groups`."""
        found = tuple((each.name, each.categories) for each in data.attributes)
        return cls(number_names(data, groups), found, content_names(data.items))

    def state(self) -> dict[str, Any]:
        """Return the content as lists, for JSON and for other processes."""
        found = [[name, list(categories)] for name, categories in self.attributes]
        return {"numbers": list(self.numbers), "attributes": found, "content": list(self.content)}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Words:
        """Return the content of a `state`."""
        found = ((str(name), tuple(map(str, each))) for name, each in state["attributes"])
        numbers, content = (tuple(map(str, state[name])) for name in ("numbers", "content"))
        return cls(numbers, tuple(found), content)


@dataclass(frozen=True)
class Checkpoint:
    """Weights by name, the meanings of their rows, and the first second of unseen data."""

    weights: Mapping[str, Tensor]
    user_ids: Ints
    item_ids: Ints
    words: Words
    seen_until: int
    #: [C + 1] the row of the unknown and of each id, by the name of a table where some share one.
    rows: Mapping[str, Ints] = field(default_factory=dict)


def write_checkpoint(
    root: Path,
    model: nn.Module,
    data: Dataset,
    groups: Iterable[FeatureGroup],
    seen_until: int,
    shared: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the checkpoint of an artifact; the bytes depend only on the content.

    `shared` has the rows that ids read of a table where some share one, by the table's name.
    """
    words = Words.of(data, groups)
    facts = {
        "schema": SHARED_SCHEMA if shared else SCHEMA,
        "seenUntil": seen_until,
        "words": words.state(),
    }
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    tensors[_USER_IDS] = torch.from_numpy(data.users.ids.copy())
    tensors[_ITEM_IDS] = torch.from_numpy(data.items.ids.copy())
    tensors |= {_ROWS[name]: rows for name, rows in (shared or {}).items()}
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    write_bytes(root / PATH, save(tensors, metadata={_FACTS: text}))


def read_checkpoint(artifact: Path) -> Checkpoint:
    """Read the checkpoint of a verified artifact.

    Raises CheckpointError if it is missing, unreadable, or has another schema.
    """
    path = artifact / PATH
    if not path.is_file():
        raise CheckpointError(
            "the champion's artifact has no checkpoint: it is from an earlier release, has the "
            "algorithm LogisticRegression, or has an injected fault"
        )
    try:
        with safe_open(path, framework="pt") as stream:
            facts = json.loads((stream.metadata() or {})[_FACTS])
            weights = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        return _checked(facts, weights)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the champion's checkpoint cannot be read: {error!r}") from error


def _checked(facts: dict[str, Any], weights: dict[str, Tensor]) -> Checkpoint:
    if facts["schema"] not in (SCHEMA, SHARED_SCHEMA):
        raise CheckpointError(
            f"the champion's checkpoint has the schema {facts['schema']!r}, not {SCHEMA!r} or "
            f"{SHARED_SCHEMA!r}"
        )
    words = Words.restore(facts["words"])
    ids = [np.asarray(weights.pop(name).numpy()) for name in (_USER_IDS, _ITEM_IDS)]
    rows = {
        table: weights.pop(name).numpy().astype(np.int64)
        for table, name in _ROWS.items()
        if name in weights
    }
    return Checkpoint(weights, ids[0], ids[1], words, int(facts["seenUntil"]), rows)
