"""The IVF index inside of an exported model (`models.ivf_index`).

A request scores the items of the cells that it would score highest on average, and the neighbours
of its session, in whatever cell they are. What is scored is scored exactly.

The names of this module, its functions, locals and buffers are in the bytes of an artifact, so a
cell keeps the name of earlier releases there, a page.

Legend: `export.modules`, and G cells, S items of a cell, N neighbours of a session, X
items that are scored.
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import numpy as np
import torch
from torch import Tensor, nn

from recommender_training.common.arrays import Floats
from recommender_training.features.event_history import ItemCounts
from recommender_training.fitted.retrieval import RetrievalModels
from recommender_training.models.ivf_index import IvfIndex

#: Items of the session that may be among the best; with more of them, there are fewer candidates.
SEEN = 256


class IvfServing(nn.Module):
    """Buffers of the cells; a model whose scan is exact has empty ones."""

    page_items: Tensor
    page_standing: Tensor
    page_means: Tensor
    page_level: Tensor
    page_slots: Tensor
    tower_items: Tensor
    standing: Tensor
    pages_read: int

    def vectors_of(self, places: Tensor) -> Tensor:
        """[..., D] the towers' vectors of the items at `places`.

        Without an index `tower_items` is [D, P]. With one it is [G S + 1, D] in their order.
        """
        if self.pages_read > 0:
            return self.tower_items[self.page_slots[places].to(torch.int64)]
        return self.tower_items.t()[places]

    def scan(self, request: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """[B, X] the best places of the cells that `request` [B, D] probes, and their order."""
        level = torch.addmm(self.page_level, request, self.page_means)
        pages = torch.topk(level, self.pages_read, 1, True, False).indices
        number, size = level.size(1), self.page_items.size(0) // level.size(1)
        whole = self.tower_items[:-1].view(number, size, request.size(1))
        vectors = whole[pages].flatten(1, 2)
        value = torch.matmul(vectors, request.unsqueeze(2)).squeeze(2)
        value = value + self.page_standing.view(number, size)[pages].flatten(1)
        value, at = torch.topk(value, min(count, value.size(1)), 1)
        places = self.page_items.view(number, size)[pages].flatten(1)
        places = torch.gather(places, 1, at)
        return places.to(torch.int64), value

    def scanned(self, request: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """As `scan`, one request after another, so that a batch takes no more memory than one."""
        places: list[Tensor] = []
        values: list[Tensor] = []
        for row in range(request.size(0)):
            place, value = self.scan(request[row : row + 1], count)
            places.append(place)
            values.append(value)
        return torch.cat(places), torch.cat(values)

    def best_of_pages(
        self,
        request: Tensor,
        near: Tensor,
        weights: Tensor,
        seen: Tensor,
        count: int,
        room: int = SEEN,
    ) -> tuple[Tensor, Tensor]:
        """[B, C] places of the `count` best items that are scored, and what orders them.

        `near` [B, N] are places of neighbours (0 for none), whose `weights` [B, N] are added.
        Those `seen` [B, L] have the order -inf; of the cells, `room` for so many is kept.
        """
        near, added = summed(near, weights)
        of_near = (self.vectors_of(near) * request.unsqueeze(1)).sum(2)
        of_near = self.standing[near] + of_near + added
        places, value = self.scanned(request, count + near.size(1) + room)
        again = torch.searchsorted(near, places).clamp(max=near.size(1) - 1)
        again = torch.gather(near, 1, again)
        value = value.masked_fill(torch.eq(again, places), float("-inf"))
        places, value = torch.cat([near, places], 1), torch.cat([of_near, value], 1)
        out = among(places, seen + 1)
        value, at = torch.topk(value.masked_fill(out, float("-inf")), count, 1)
        return torch.gather(places, 1, at), value


def among(places: Tensor, others: Tensor) -> Tensor:
    """[B, X] True where a place [B, X] is one of the others [B, L] of its row."""
    ordered = torch.sort(others, 1)[0]
    at = torch.searchsorted(ordered, places).clamp(max=ordered.size(1) - 1)
    return torch.eq(torch.gather(ordered, 1, at), places)


def summed(places: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """[B, N] the places, ascending, and [B, N] the sum of each one's weights; -inf if repeated."""
    ordered, at = torch.sort(places, 1)
    new = torch.cat([ordered[:, :1] >= 0, ordered[:, 1:] != ordered[:, :-1]], 1)
    group = torch.cumsum(new.to(torch.int64), 1) - 1
    own = torch.gather(weights, 1, at)
    total = torch.gather(torch.zeros_like(own).scatter_add(1, group, own), 1, group)
    return ordered, total.masked_fill(~new, float("-inf"))


def ivf_state(sources: RetrievalModels, standing: Tensor, counts: ItemCounts) -> dict[str, Tensor]:
    """Buffers of the cells, and the towers' vectors of the items in their order.

    `standing` [P] is what the graph orders items by whatever the request. Without an index all are
    empty, and the vectors of the items are left as they are.
    """
    ivf = sources.ivf
    if ivf is None:
        return {
            "page_items": torch.zeros(0, dtype=torch.int32),
            "page_standing": torch.zeros(0),
            "page_means": torch.zeros(0, 0),
            "page_level": torch.zeros(0),
            "page_slots": torch.zeros(0, dtype=torch.int32),
            "page_read": torch.zeros((), dtype=torch.int64),
        }
    return buffers(ivf, sources.item_vectors(), standing, sources.standing(counts))


def buffers(
    ivf: IvfIndex, vectors: Tensor, standing: Tensor, of_items: Floats
) -> dict[str, Tensor]:
    """The same from the vectors [I + 1, D] of the items and what they are ordered by whatever the
    request, [P] and, without the bonus of item groups, [I].
    """
    means, level = ivf.means(vectors[1:].numpy(), of_items)
    places = ivf.items.ravel() + 1
    slots = np.full(len(standing), len(places), dtype=np.int32)
    real = np.flatnonzero(places)
    slots[places[real]] = real
    at = torch.from_numpy(places.astype(np.int64))
    return {
        "page_items": torch.from_numpy(places.astype(np.int32)),
        "page_standing": standing[at],
        "page_means": torch.from_numpy(np.ascontiguousarray(means.T)),
        "page_level": torch.from_numpy(level),
        "page_slots": torch.from_numpy(slots),
        "page_read": torch.tensor(ivf.probes),
        # the last row is the unknown item's
        "tower_items": vectors[torch.cat([at, torch.zeros(1, dtype=torch.int64)])].clone(),
    }
