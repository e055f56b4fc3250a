"""Matches of a request and items in the ranker's graph (`features.overlap_features`).

Legend: `export.modules`, and M matches of categories, G categories of items, E numbers of
items' embeddings.
"""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import torch
from torch import Tensor
from torch.nn.functional import pad

from recommender_training.data.row_times import END
from recommender_training.export.modules import Serving
from recommender_training.models.ranker import Ranker


class OverlapServing(Serving):
    """The part of the logit from the agreement of both sides."""

    match_columns: Tensor
    match_weights: Tensor
    match_numbers: Tensor
    match_vectors: Tensor

    def matched(
        self, side: tuple[Tensor, Tensor, Tensor], tags: Tensor, shares: Tensor, rows: Tensor
    ) -> Tensor:
        """[B, C] of candidates, whose `tags` and `shares` are [C, W] or [B, C, W]; `rows` [C] or
        [B, C] count from 1, 0 is the unknown item.
        """
        found = torch.zeros(side[0].size(0), tags.size(-2))
        if self.match_columns.size(0) > 0:
            found = found + self.named_alike(side[0], tags, shares)
        if self.match_vectors.size(0) > 0:
            request = torch.matmul(side[2], self.match_numbers).unsqueeze(2)
            found = found + torch.matmul(self.match_vectors[rows], request).squeeze(2)
        return found

    def named_alike(self, side: Tensor, tags: Tensor, shares: Tensor) -> Tensor:
        """[B, C] of the categories that both sides name; `side` are rows [B, K] of the P."""
        empty = torch.zeros(side.size(0), self.tag_count + 1)
        weight = empty
        for place in range(self.match_columns.size(0)):
            named = empty.scatter(1, self.match_columns[place][side], 1.0)
            weight = weight + named * self.match_weights[place]
        weight = pad(weight[:, : self.tag_count], (0, 1))  # what no item has counts nothing
        count, width = tags.size(-2), tags.size(-1)
        at = tags.expand(side.size(0), count, width).flatten(1)
        return (torch.gather(weight, 1, at).view(-1, count, width) * shares).sum(2)


def overlap_state(model: Ranker) -> dict[str, Tensor]:
    """The buffers of these matches.

    `match_columns` [M, P] has the category of items for each row of the request, G for none, and
    `match_weights` [M] what it adds. `match_numbers` [V, E] makes of the numbers of a request what
    `match_vectors` [I + 1, E] are multiplied by; both are empty where no embedding matches.
    """
    sizes, content, matches = model.size.side, model.content, model.matches
    found = {
        "match_columns": torch.zeros(0, sum(sizes), dtype=torch.int64),
        "match_weights": torch.zeros(0),
        "match_numbers": torch.zeros(0, 0),
        "match_vectors": torch.zeros(0, 0),
    }
    if matches is None:
        return found
    of_numbers = matches.by_number
    columns, weights = [], []
    numbers = torch.zeros(sum(length for _, length in model.size.spans), content.embedded)
    for place, each in enumerate(matches.of):
        if each.columns:
            start = sum(sizes[: each.place])
            own = torch.full((sum(sizes),), content.start, dtype=torch.int64)
            named = torch.tensor(each.columns, dtype=torch.int64)
            own[start : start + len(named)] = named.masked_fill(named < 0, content.start)
            columns.append(own)
            weights.append(of_numbers[place])
        else:
            at = torch.arange(each.width)
            numbers[each.first + at, each.number + at] += of_numbers[place] * each.width**0.5
    if columns:
        found["match_columns"], found["match_weights"] = torch.stack(columns), torch.stack(weights)
    if len(columns) < len(matches.of):
        rows = torch.arange(content.count + 1)
        known = content.known(rows, torch.full_like(rows, END))[2]
        found["match_numbers"], found["match_vectors"] = numbers, known[:, : content.embedded]
    return found
