"""The two towers inside of an exported model. Legend: `export.modules`; D width of the towers,
P places of the scan: the unknown item, the catalogue, and room up to a whole number of blocks.
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor
from torch.nn import functional

from recommender_training.export.item_pages import IvfServing
from recommender_training.export.torchscript import own_storage
from recommender_training.features.graph import newer_events, recency_bucket, value_level
from recommender_training.features.request_columns import add_side
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models.two_tower import TwoTower


class TowerServing(IvfServing):
    """The towers' part of the order of a list; a model without them has empty buffers."""

    side_number_rows: Tensor  # of `Serving`
    tower_level: Tensor
    tower_level_bias: Tensor
    tower_recency: Tensor
    tower_newer: Tensor
    tower_side: Tensor
    tower_up: Tensor
    tower_up_bias: Tensor
    tower_out: Tensor
    tower_down: Tensor
    tower_down_bias: Tensor

    def request_vectors(
        self,
        session: tuple[Tensor, Tensor, Tensor, Tensor],
        side: tuple[Tensor, Tensor, Tensor],
        timestamp: Tensor,
    ) -> Tensor:
        """[B, D] vectors of the requests; `side` as `Serving.read_user` has it.

        Their product with `tower_items` [D, P] is the weighted lift of every item, but for what
        does not depend on the request. Column by column, a scan reads memory as it lies; with
        pages of items they are rows (`IvfServing.vectors_of`).
        """
        rows, present, values, times = session
        level = value_level(values)
        keys = self.vectors_of(rows + 1) + self.tower_level[level]
        newer = newer_events(present).clamp(max=self.tower_newer.size(0) - 1)
        logits = self.tower_newer[newer] + self.tower_level_bias[level]
        logits = logits + self.tower_recency[recency_bucket(timestamp - times)]
        logits = logits.masked_fill(~present, float("-inf"))
        null = torch.zeros(logits.size(0), 1)
        weights = torch.softmax(torch.cat([null, logits], 1), 1)[:, 1:]
        pooled = torch.matmul(weights.unsqueeze(1), keys).squeeze(1)
        none = torch.zeros(pooled.size(0), self.tower_side.size(1))
        by_side = add_side(none, self.tower_side, side, self.side_number_rows)
        hidden = torch.relu(torch.matmul(pooled, self.tower_up) + self.tower_up_bias + by_side)
        request = torch.matmul(pooled, self.tower_out)
        return request + torch.matmul(hidden, self.tower_down) + self.tower_down_bias


def tower_state(sources: RetrievalModels, places: int) -> dict[str, Tensor]:
    """Buffers of the towers; the weight of their lift is folded into the last layer."""
    towers = sources.towers
    if towers is None:
        own = (name for name in TowerServing.__annotations__ if name.startswith("tower_"))
        return {name: torch.zeros(0) for name in ("tower_items", *own)}
    with torch.no_grad():
        found = _state(towers.eval(), sources.order.lift, places)
    return {name: own_storage(value) for name, value in found.items()}


def _state(towers: TwoTower, weight: float, places: int) -> dict[str, Tensor]:
    by_side = towers.by_side.weight.t()
    items = towers.item_vectors()
    return {
        "tower_items": functional.pad(items, (0, 0, 0, places - len(items))).t().contiguous(),
        "tower_level": towers.level.weight,
        "tower_level_bias": towers.level_bias.weight[:, 0],
        "tower_recency": towers.recency.weight[:, 0],
        "tower_newer": towers.newer[:, 0],
        "tower_side": torch.cat(
            [by_side[:0], *(table.get_parameter("weight") @ by_side for table in towers.side)]
        ),
        "tower_up": towers.up.weight.t(),
        "tower_up_bias": towers.up.bias,
        "tower_out": towers.out.weight.t() * weight,
        "tower_down": towers.down.weight.t() * weight,
        "tower_down_bias": towers.down.bias * weight,
    }
