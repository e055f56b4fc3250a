"""The new items inside of an exported model (`fitted.new_items`).

A request compares them by the lift of the towers alone, and those it lifts most are candidates.

Legend: `export.modules`, and N new items, K of the candidates that are kept for them.
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor

from recommender_training.data.dataset import Dataset
from recommender_training.export.item_pages import among, summed
from recommender_training.export.torchscript import own_storage
from recommender_training.export.towers import TowerServing
from recommender_training.features.event_history import ItemCounts
from recommender_training.fitted import new_items
from recommender_training.fitted.retrieval import RetrievalModels


class NewItemServing(TowerServing):
    """Buffers of the new items; a model that keeps no candidates for them has empty ones."""

    new_places: Tensor
    new_vectors: Tensor
    new_level: Tensor
    new_kept: int

    def lifted(self, request: Tensor, out: Tensor) -> Tensor:
        """[B, K] places of the new items that `request` [B, D] lifts most, without those `out`
        [B, N].
        """
        lift = torch.addmm(self.new_level, request, self.new_vectors)
        at = torch.topk(lift.masked_fill(out, float("-inf")), self.new_kept, 1).indices
        return self.new_places[at]

    def lifted_unseen(self, request: Tensor, seen: Tensor) -> Tensor:
        """[B, K] the same without those `seen` [B, L], which are rows."""
        every = self.new_places.repeat(seen.size(0), 1)
        return self.lifted(request, among(every, seen + 1))

    def order_of(
        self, places: Tensor, request: Tensor, near: Tensor, weights: Tensor, seen: Tensor
    ) -> Tensor:
        """[B, K] order of the items at `places` [B, K]; -inf for those `seen` [B, L].

        `near` [B, X] are places whose `weights` [B, X] are added, as in `best_of_pages`.
        """
        order = self.standing[places]
        order = order + (self.vectors_of(places) * request.unsqueeze(1)).sum(2)
        near, added = summed(near, weights)
        at = torch.searchsorted(near, places).clamp(max=near.size(1) - 1)
        other = torch.ne(torch.gather(near, 1, at), places)
        order = order + torch.gather(added, 1, at).masked_fill(other, 0.0)
        return order.masked_fill(among(places, seen + 1), float("-inf"))


def joined(
    new: Tensor, of_new: Tensor, others: Tensor, of_others: Tensor
) -> tuple[Tensor, Tensor]:
    """[B, C] places of the candidates of both [B, K] and [B, C], and [B, C] what orders them.

    The new ones come first. The place of one that the request may not get (-inf) goes to the next
    of the others, which are ordered.
    """
    count = others.size(1)
    out = torch.eq(of_new, float("-inf"))
    ahead = torch.arange(count, 0, -1).expand(others.size(0), count)
    first = torch.full_like(new, count + 1).masked_fill(out, 0)
    at = torch.topk(torch.cat([first, ahead], 1), count, 1).indices
    places, order = torch.cat([new, others], 1), torch.cat([of_new, of_others], 1)
    return torch.gather(places, 1, at), torch.gather(order, 1, at)


def new_item_state(
    sources: RetrievalModels, data: Dataset, counts: ItemCounts
) -> dict[str, Tensor]:
    """Buffers of the new items."""
    found = new_items.new_items_of(sources, counts.events, data)
    if found.kept == 0:
        return {
            "new_places": torch.zeros(0, dtype=torch.int64),
            "new_vectors": torch.zeros(0, 0),
            "new_level": torch.zeros(0),
            "new_count": torch.tensor(0),
        }
    places = torch.from_numpy(found.rows + 1)
    return {
        "new_places": places,
        "new_vectors": own_storage(sources.item_vectors()[places].t()),
        "new_level": torch.from_numpy(found.level),
        "new_count": torch.tensor(found.kept),
    }
