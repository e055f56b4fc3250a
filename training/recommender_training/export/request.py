"""Reading a request and choosing the items, for both exported models. TorchScript.

Legend of shapes: B batch, L session, I items, U users, P places and C candidates
(`export.modules`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from recommender_training.features import graph
from recommender_training.features.graph import locate

#: Places of a block of the scan.
SCAN = 32


def places_of(items: int) -> int:
    """P, the places of so many items and the unknown one: whole blocks."""
    return -(-(items + 1) // SCAN) * SCAN


def read_session(
    item_ids: Tensor, session_items: Tensor, times: Tensor, now: Tensor
) -> tuple[Tensor, Tensor]:
    """[B, L] rows of the session's items (-1 unknown or padding) and which events are present.

    Present are real events that are strictly earlier than the request.
    """
    rows = locate(item_ids, session_items)
    return rows, (session_items >= 0) & (times < now)


def last(values: Tensor, length: int) -> Tensor:
    """The last `length` columns of [B, L], or all there are."""
    return values[:, -length:]


def retrieve(weights: Tensor, rows: Tensor, present: Tensor, values: Tensor) -> Tensor:
    """[B, I] how well each item goes with the session; `weights` is [I, I]."""
    event = graph.event_weights(present, values) * (rows >= 0).to(torch.float32)
    return torch.matmul(event.unsqueeze(1), weights[rows.clamp(min=0)]).squeeze(1)


def nearby(
    order: Tensor,
    neighbours: Tensor,
    weights: Tensor,
    session: tuple[Tensor, Tensor, Tensor, Tensor],
) -> Tensor:
    """[B, P] `order` with the weights of the session's neighbours added.

    `neighbours` [I, K] are places (0 for none) and `weights` [I, K] their weights.
    """
    places, added = neighbours_of(neighbours, weights, session)
    return order.scatter_add(1, places, added)


def neighbours_of(
    neighbours: Tensor, weights: Tensor, session: tuple[Tensor, Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """[B, N] places of the session's neighbours (0 for none), and [B, N] what each one adds."""
    rows, present, values, _ = session
    known = present & (rows >= 0)
    event = graph.event_weights(present, values) * known.to(torch.float32)
    at = rows.clamp(min=0)
    places = neighbours[at].to(torch.int64) * known.to(torch.int64).unsqueeze(2)
    return places.flatten(1), (weights[at] * event.unsqueeze(2)).flatten(1)


def followers(
    starts: Tensor, places: Tensor, weights: Tensor, state: Tensor, width: int
) -> tuple[Tensor, Tensor]:
    """[B, W] places of the items that came after a state [B] (0 for none), and [B, W] what each
    one gets; a state is -1 for none.

    Those of state s are from `starts` [S + 1] at s to s + 1; none has more than `width`.
    """
    known = state.clamp(min=0)
    at = starts[known].unsqueeze(1) + torch.arange(width)
    inside = (at < starts[known + 1].unsqueeze(1)) & (state >= 0).unsqueeze(1)
    at = at.clamp(max=places.size(0) - 1)
    return places[at].to(torch.int64) * inside.to(torch.int64), weights[at] * inside.to(
        torch.float32
    )


def shortlist(order: Tensor, count: int, scan: int = SCAN) -> tuple[Tensor, Tensor]:
    """[B, C] places of the `count` largest of `order` [B, P], and their values. Exact.

    `scan` places make a block; the largest values are in the blocks with the largest maxima, so
    that a sort reads those alone. P is a multiple of `scan`.
    """
    blocks = order.size(1) // scan
    parted = order.view(order.size(0), scan, blocks)
    wanted = min(count, blocks)
    largest = torch.topk(parted.amax(1), wanted, 1, True, False).indices
    inside = torch.gather(parted, 2, largest.unsqueeze(1).expand(-1, scan, -1)).flatten(1)
    value, at = torch.topk(inside, count, 1)
    block = torch.gather(largest, 1, torch.remainder(at, wanted))
    return torch.div(at, wanted, rounding_mode="floor") * blocks + block, value


def no_trends(session_items: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What a graph that reads no trends knows of them (`Serving.trends_of`): [B, 0] each."""
    none = session_items[:, :0]
    return none, none.to(torch.float32), none, none.to(torch.float32)


def best_of(
    ids: Tensor,
    logit: Tensor,
    order: Tensor,
    top_n: Tensor,
    unknown: tuple[Tensor, Tensor],
    sharpness: Tensor,
) -> tuple[Tensor, Tensor]:
    """Ids and probabilities of the best of the items `ids` [B, C] and of `unknown` ones: their ids
    [B, T], and the log of what they had of late, relative to all known items [B, T].

    `sharpness` times the sum of logit and order is the log of an item's chance, but for a
    constant. So what is unknown and trending gets its share of the chances of all, and with it a
    place among them. Its probability is the one that the best known items have on average.
    """
    if unknown[0].size(1) > 0:
        chance = (sharpness * (logit + order)).masked_fill(torch.eq(order, float("-inf")), -1e9)
        usual = (torch.softmax(chance, 1) * logit).sum(1, keepdim=True)
        whole = torch.logsumexp(chance, 1, True)
        ids = torch.cat([ids, unknown[0]], 1)
        logit = torch.cat([logit, usual.expand_as(unknown[1])], 1)
        order = torch.cat([order, (whole + unknown[1]) / sharpness - usual], 1)
    best = choose(logit, order, top_n)
    return torch.gather(ids, 1, best), torch.gather(torch.sigmoid(logit), 1, best)


def choose(logit: Tensor, order: Tensor, top_n: Tensor) -> Tensor:
    """[B, N] columns of the best by the sum of both [B, C], without those of order -inf.

    Every row of the batch gets as many as the largest `top_n` wants, or as there are left.
    """
    columns, excluded = order.size(1), torch.eq(order, float("-inf"))
    rank = (logit + order).masked_fill(excluded, float("-inf"))  # also where the logit is NaN
    left = columns - excluded.sum(1).max()
    wanted = torch.minimum(top_n.max().clamp(min=1), left)
    return torch.topk(rank, int(wanted), 1).indices
