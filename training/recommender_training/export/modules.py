"""What the exported models share: raw ids and session in, the best items and probabilities out.

Each model is one flat module of buffers and functions. That is on purpose: TorchScript names the
types of nested modules by the order in which a process met them, and the artifact's bytes are to
depend on seed and data alone.

Beside `forward`, which serves, each has `judge`: a later evaluation calls it (`exported_graph`).

Legend of shapes: B batch, L session, I items, C candidates, D embedding, H hidden, G genres,
T taste numbers.
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor

from recommender_training.export.request import choose, last, read_session, retrieve
from recommender_training.export.towers import TowerServing
from recommender_training.features.graph import item_numbers, locate, side_buckets


class Serving(TowerServing):
    """Buffers that both models need; `state` is made by `export.build`."""

    user_ids: Tensor
    user_side: Tensor
    limits: Tensor
    side_edges: Tensor
    side_banded: Tensor
    side_offsets: Tensor
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
    offset: Tensor
    retrieval: Tensor
    popularity: Tensor
    bonus: Tensor

    def __init__(self, state: dict[str, Tensor], history_length: int) -> None:
        super().__init__()
        self.history_length = history_length
        self.item_count = int(state["item_ids"].shape[0])
        self.by_weights = state["retrieval"].numel() > 0
        self.by_towers = state["tower_items"].numel() > 0
        for name, value in state.items():
            self.register_buffer(name, value.contiguous())

    def read_user(self, user_id: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """[B] rows of the users (-1 unknown) and [B, K] rows of their attributes.

        The rows are those of a table of the buckets of all attributes. An attribute that the
        request leaves out (-1) is read from the table of known users; an index beyond its list
        (`limits`) is unknown.
        """
        row = locate(self.user_ids, user_id[:, 0])
        stored = self.user_side[row.clamp(min=0)]
        use_stored = (features < 0) & (row >= 0).unsqueeze(1)
        side = torch.where(use_stored, stored, features)
        unknown = (side < 0) | (side >= self.limits)
        side = torch.where(unknown, torch.full_like(side, -1), side)
        return row, side_buckets(side, self.side_edges, self.side_banded) + self.side_offsets

    def last_events(
        self, items: Tensor, times: Tensor, values: Tensor, timestamp: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The events that count: rows of their items, which are present, values and times."""
        length = self.history_length
        times = last(times, length, 0.0)
        rows, present = read_session(self.item_ids, last(items, length, -1.0), times, timestamp)
        return rows, present, last(values, length, 0.0), times

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

    def calibrated(self, logit: Tensor) -> Tensor:
        """[B, C] what the calibration makes of the logits."""
        return logit / self.temperature + self.offset

    def retrieved(self, session: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """[B, I] how well each item goes with the session."""
        return retrieve(self.retrieval, session[0], session[1], session[2])

    def best(
        self,
        logit: Tensor,
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        seen: Tensor,
        top_n: Tensor,
        side: Tensor,
        timestamp: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Ids and probabilities of the best items.

        Best by the sum of logit [B, I], retrieval, popularity, the bonus of item groups and the
        lift of the towers, which read `side` [B, K] (`read_user`).
        """
        rank = logit
        if self.by_weights:
            rank = rank + self.retrieved(session)
        rank = rank + self.popularity + self.bonus
        if self.by_towers:
            rank = rank + self.lift(session, side, timestamp)
        return choose(rank, torch.sigmoid(logit), self.item_ids, seen, top_n)
