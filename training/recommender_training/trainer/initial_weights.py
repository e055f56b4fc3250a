"""Start from the champion's weights: rows of embeddings by id or name, all else as it is.

What the champion never knew starts as what it knew of the unknown: an id or a category of an
attribute from the row of the unknown one, a category of items from zero. Where shapes differ, the
champion's weights are not used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_contract.resource.training_settings import WarmEvents, WarmMode
from recommender_training.artifact.checkpoint import Checkpoint, CheckpointError, Words
from recommender_training.common.arrays import Bools, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.features.item_content import content_names
from recommender_training.models.ranker import ITEM_TABLE, USER_TABLE, Ranker

#: New rows that a fit on them alone takes at least, and the share of the step size that it has:
#: with the whole one it forgets as fast as it learns (ADR 0030).
LEAST_NEW_ROWS, NEW_ROWS_STEP = 1_000, 1 / 3


@dataclass(frozen=True)
class WarmStart:
    """A champion's checkpoint, and how much of the model a training from it may change."""

    checkpoint: Checkpoint
    mode: WarmMode
    #: Of the artifact that it is of.
    digest: str
    #: Whether only events that it has not seen are fitted on.
    events: WarmEvents = WarmEvents.ALL

    def state(self) -> dict[str, Any]:
        """The same as tensors, numbers and texts, for other processes."""
        had = self.checkpoint
        return {
            "weights": dict(had.weights),
            "user_ids": torch.from_numpy(had.user_ids),
            "item_ids": torch.from_numpy(had.item_ids),
            "rows": {name: torch.from_numpy(rows) for name, rows in had.rows.items()},
            "words": had.words.state(),
            "seen_until": had.seen_until,
            "mode": self.mode.value,
            "events": self.events.value,
            "digest": self.digest,
        }

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> WarmStart:
        """The warm start of a `state`."""
        words = Words.restore(state["words"])
        ids = [np.asarray(state[name].numpy()) for name in ("user_ids", "item_ids")]
        rows = {name: np.asarray(each.numpy()) for name, each in state["rows"].items()}
        kept = Checkpoint(state["weights"], ids[0], ids[1], words, state["seen_until"], rows)
        mode, events = WarmMode(state["mode"]), WarmEvents(state["events"])
        return cls(kept, mode, state["digest"], events)

    def check(self, data: Dataset, groups: Iterable[FeatureGroup], validation_start: int) -> None:
        """Raise CheckpointError where a training on this data cannot start from it."""
        had, until = self.checkpoint, self.checkpoint.seen_until
        if until > validation_start:
            raise CheckpointError(
                f"the champion was fitted on events up to {until} (seconds since 1970), and the "
                f"validation window starts at {validation_start}: what it has seen cannot be "
                "held out"
            )
        own = Words.of(data, groups)
        names = [[name for name, _ in words.attributes] for words in (had.words, own)]
        if had.words.numbers != own.numbers or names[0] != names[1]:
            raise CheckpointError("the champion reads other features than this training")

    def apply(self, model: Ranker, data: Dataset) -> None:
        """Give a fresh model the champion's weights, in place, and freeze what is to stay.

        Raises CheckpointError where a shape is another; the model is then as it was.
        """
        fresh = model.state_dict()
        merged: dict[str, Tensor] = {}
        places = self._places(data)
        shared = {ITEM_TABLE: model.item_rows, USER_TABLE: model.user_rows}
        for name, value in self.checkpoint.weights.items():
            merged[name] = _rows(name, value, places[name]) if name in places else value
            if name in shared:
                merged[name] = shared[name].means(
                    merged[name], torch.from_numpy(places[name] >= 0)
                )
        different = sorted(
            name
            for name in fresh.keys() | merged.keys()
            if name not in fresh or name not in merged or fresh[name].shape != merged[name].shape
        )
        if different:
            raise CheckpointError(
                f"{', '.join(different[:3])} of the champion has another shape than here: its "
                "hyperparameters or its release differ"
            )
        model.load_state_dict(merged)
        if self.mode is WarmMode.ITEM_EMBEDDINGS:
            model.freeze_all_but_items()

    def new_rows(self, data: Dataset, rows: Ints) -> Ints | None:
        """Of the `rows` those that it has not seen, where these alone are to be fitted on.

        None where all are: also where fewer than LEAST_NEW_ROWS are new, since a fit on a few
        would follow their noise.
        """
        if self.events is WarmEvents.ALL:
            return None
        new = rows[data.events.time[rows] >= self.checkpoint.seen_until]
        return new if len(new) >= LEAST_NEW_ROWS else None

    def known(self, data: Dataset) -> tuple[Bools, Bools]:
        """[I + 1] and [U + 1] rows that the champion learned, not copied from the unknown."""
        places, found = self._places(data), []
        for name in ("item.weight", "user.weight"):
            weights = self.checkpoint.weights[name]
            learned = (weights != weights[0]).any(1).numpy()
            found.append(np.where(places[name] >= 0, learned[places[name]], False))
        return found[0], found[1]

    def new(self, data: Dataset) -> dict[str, int]:
        """How many items and users the champion does not know."""
        places = self._places(data)
        return {
            "newItems": int((places["item.weight"][1:] < 0).sum()),
            "newUsers": int((places["user.weight"][1:] < 0).sum()),
        }

    def _places(self, data: Dataset) -> dict[str, Ints]:
        """Of each table the row in the champion's for each row here; -1 where it has none."""
        had = self.checkpoint
        of_sides = zip(had.words.attributes, data.attributes, strict=True)
        sides = {
            f"side.{place}.weight": _after_unknown(places_of_names(theirs, own.categories))
            for place, ((_, theirs), own) in enumerate(of_sides)
        }
        ids = {
            USER_TABLE: _after_unknown(places_of(had.user_ids, data.users.ids)),
            ITEM_TABLE: _after_unknown(places_of(had.item_ids, data.items.ids)),
        }
        for name, rows in had.rows.items():
            ids[name] = np.where(ids[name] >= 0, rows[ids[name]], -1)
        return {
            **ids,
            **sides,
            "of_content.weight": places_of_names(had.words.content, content_names(data.items)),
        }


def _rows(name: str, weights: Tensor, places: Ints) -> Tensor:
    if len(weights) == 0:
        return weights.new_zeros(len(places), *weights.shape[1:])
    other = torch.zeros_like(weights[0]) if name == "of_content.weight" else weights[0]
    at = torch.from_numpy(places)
    return torch.where((at >= 0).unsqueeze(1), weights[at.clamp(min=0)], other)


def _after_unknown(places: Ints) -> Ints:
    """The same for a table with the unknown in its first row."""
    return np.concatenate([[0], np.where(places >= 0, places + 1, -1)]).astype(np.int64)


def places_of(known: Ints, ids: Ints) -> Ints:
    """Place of each id among those known, which are sorted; -1 where it is new."""
    if len(known) == 0:
        return np.full(len(ids), -1, dtype=np.int64)
    place = np.searchsorted(known, ids).clip(max=len(known) - 1)
    return np.where(known[place] == ids, place, -1).astype(np.int64)


def places_of_names(known: Sequence[str], names: Sequence[str]) -> Ints:
    """Place of each name among those known; -1 where it is new."""
    index = {name: place for place, name in enumerate(known)}
    return np.array([index.get(name, -1) for name in names], dtype=np.int64)
