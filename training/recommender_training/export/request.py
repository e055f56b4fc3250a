"""What both exported models share: reading a request and choosing the items. TorchScript.

Legend of shapes: B batch, L session, I items, U users.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.jit import is_scripting  # type: ignore[attr-defined]
from torch.nn.functional import pad

from recommender_training.features import graph
from recommender_training.features.graph import locate


def read_session(
    item_ids: Tensor, session_items: Tensor, times: Tensor, now: Tensor
) -> tuple[Tensor, Tensor]:
    """[B, L] rows of the session's items (-1 unknown or padding) and which events are present.

    Present are real events that are strictly earlier than the request.
    """
    rows = locate(item_ids, session_items)
    return rows, (session_items >= 0) & (times < now)


def last(values: Tensor, length: int, padding: float) -> Tensor:
    """The last `length` columns of [B, L], or all there are.

    torch.export takes one path for all lengths: there it is `length` columns, padded at the left.
    """
    if not is_scripting():  # noqa: SIM102 -- TorchScript leaves out such a branch alone
        if torch.compiler.is_exporting():
            return pad(values, (length, 0), value=padding).narrow(1, values.size(1), length)
    return values[:, -length:]


def retrieve(weights: Tensor, rows: Tensor, present: Tensor, values: Tensor) -> Tensor:
    """[B, I] how well each item goes with the session; `weights` is [I, I]."""
    event = graph.event_weights(present, values) * (rows >= 0).to(torch.float32)
    return torch.matmul(event.unsqueeze(1), weights[rows.clamp(min=0)]).squeeze(1)


def choose(
    rank: Tensor, probability: Tensor, item_ids: Tensor, seen: Tensor, top_n: Tensor
) -> tuple[Tensor, Tensor]:
    """Raw ids and probabilities of the best items by `rank` [B, I], without those seen [B, L].

    Every row of the batch gets as many as the largest `top_n` wants, or as there are left.
    """
    batch, items = rank.size(0), rank.size(1)
    excluded = torch.zeros(batch, items + 1, dtype=torch.bool).scatter_(1, seen + 1, True)[:, 1:]
    left = items - excluded.sum(1).max()
    wanted = torch.minimum(top_n.max().clamp(min=1), left)
    if is_scripting():
        count = int(wanted)
    else:  # torch.export cannot know the number, but has to know its limits
        count = wanted.item()  # type: ignore[assignment]
        torch._check(count >= 0)  # type: ignore[no-untyped-call]
        torch._check(count <= items)  # type: ignore[no-untyped-call]
    best = torch.topk(rank.masked_fill(excluded, float("-inf")), count, 1).indices
    return item_ids[best], torch.gather(probability, 1, best)
