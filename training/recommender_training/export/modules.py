"""What the exported models share: raw ids and session in, the best items and probabilities out.

Each model is one flat module of buffers and functions. That is on purpose: TorchScript names the
types of nested modules by the order in which a process met them, and the artifact's bytes are to
depend on seed and data alone.

Beside `forward`, which serves, each has `judge`: a later evaluation asks it (champion.py).

Legend of shapes: B batch, L session, I items, C candidates, D embedding, H hidden, G genres,
T taste numbers.
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor

from recommender_training.export.request import choose, read_session, retrieve
from recommender_training.export.towers import TowerServing
from recommender_training.features.graph import item_numbers


class Serving(TowerServing):
    """Buffers that both models need; `state` is made by `export.build`."""

    user_ids: Tensor
    user_side: Tensor
    limits: Tensor
    item_ids: Tensor
    years: Tensor
    genres: Tensor
    genre_shares: Tensor
    events: Tensor
    positives: Tensor
    total: Tensor
    centre: Tensor
    prior: Tensor
    temperature: Tensor
    retrieval: Tensor
    popularity: Tensor

    def __init__(self, state: dict[str, Tensor], history_length: int) -> None:
        super().__init__()
        self.history_length = history_length
        self.item_count = int(state["item_ids"].shape[0])
        self.by_weights = state["retrieval"].numel() > 0
        self.by_towers = state["tower_items"].numel() > 0
        for name, value in state.items():
            self.register_buffer(name, value.contiguous())

    def last_events(
        self, items: Tensor, times: Tensor, values: Tensor, timestamp: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The events that count: rows of their items, which are present, values and times."""
        times = times[:, -self.history_length :]
        rows, present = read_session(
            self.item_ids, items[:, -self.history_length :], times, timestamp
        )
        return rows, present, values[:, -self.history_length :], times

    def catalogue_numbers(self, timestamp: Tensor) -> Tensor:
        """[B, I, 4] numbers of all items from the counts of the export."""
        return item_numbers(
            self.events,
            self.positives,
            self.total,
            self.years,
            timestamp,
            self.item_count,
            self.prior,
        )

    def best(
        self,
        logit: Tensor,
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        seen: Tensor,
        top_n: Tensor,
        side: Tensor,
        timestamp: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Ids and probabilities of the best items: logit [B, I], retrieval and popularity.

        `side` [B, 3] are the buckets of the user, which the towers read.
        """
        rank = logit + self.popularity
        if self.by_weights:
            rank = rank + retrieve(self.retrieval, session[0], session[1], session[2])
        if self.by_towers:
            rank = rank + self.lift(session, side, timestamp)
        return choose(rank, torch.sigmoid(logit), self.item_ids, seen, top_n)
