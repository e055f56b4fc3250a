"""Parity: the exported graph, loaded from its file, against the eager models on real requests."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recommender_training.data.dataset import Ints
from recommender_training.evaluation import metrics, order, ranking
from recommender_training.export.build import Knowledge
from recommender_training.features.table import Inputs
from recommender_training.models import calibration

#: Largest difference of a probability that is float32 arithmetic and no defect.
TOLERANCE = 1e-4
#: The same of what a list is ordered by, whose values are twenty times as large.
RANK_TOLERANCE = 2e-3
_TOP_N = 50


class ParityError(RuntimeError):
    """The exported graph computes something else than the model that was evaluated."""


def check(
    module: nn.Module,
    scorer: ranking.Scorer,
    known: Knowledge,
    requests: list[ranking.Request],
) -> dict[str, Any]:
    """Largest difference of the probabilities: of the first 50 items that the graph serves, and of
    all items as it judges them; and of what these items are ordered by. Raises ParityError.
    """
    worst, disorder = 0.0, 0.0
    for request in requests:
        asked = _request(known, request)
        ids, scores = _answer(module, asked)
        inputs = ranking.catalogue_inputs(
            known.data, known.constants, known.state, request, known.history_length
        )
        expected = calibration.probability(scorer(inputs))
        rows = np.searchsorted(known.data.items.ids, ids)
        worst = max(worst, float(np.abs(expected[rows] - scores).max(initial=0.0)))
        disorder = max(disorder, _disorder(known, request, inputs, scorer(inputs), rows))
        judged = calibration.probability(_judged(module, known, asked, inputs.taste))
        worst = max(worst, float(np.abs(expected - judged).max()))
    if not worst <= TOLERANCE:
        raise ParityError(f"exported and eager probabilities differ by {worst:.2e}")
    if not disorder <= RANK_TOLERANCE:
        raise ParityError(
            f"exported lists are ordered otherwise than eager ones, by {disorder:.2e}"
        )
    return {
        "requests": len(requests),
        "maxDifference": float(f"{worst:.3g}"),
        "maxDisorder": float(f"{disorder:.3g}"),
    }


def _disorder(
    known: Knowledge,
    request: ranking.Request,
    inputs: Inputs,
    logits: metrics.Array,
    served: Ints,
) -> float:
    """How much the eager rank [I] of the worst misplaced item differs from that of its place.

    Zero where the graph serves, in order, the items with the highest rank that are not seen.
    """
    rank = logits + order.prior(known.data, known.state.counts, known.retrieval, known.sources,
                                request, inputs)  # fmt: skip
    seen = known.data.events.item[request.session]
    rank[seen] = -np.inf
    best = np.sort(rank)[::-1][: len(served)]
    return float(np.abs(best - rank[served]).max(initial=0.0))


def _request(known: Knowledge, request: ranking.Request) -> tuple[Tensor, ...]:
    """The inputs of one request, but for the number of items."""
    events, data = known.data.events, known.data
    session = request.session

    def column(values: np.ndarray[Any, Any], padding: float) -> Tensor:
        row = values[session] if len(session) else np.array([padding], dtype=values.dtype)
        return torch.from_numpy(row[None, :])

    return (
        torch.tensor([[int(data.users.ids[request.user])]]),
        torch.full((1, 3), -1),
        column(data.items.ids[events.item], -1),
        column(events.time, 0),
        column(events.value, 0.0),
        torch.tensor([[request.time]]),
    )


def _answer(
    module: nn.Module, asked: tuple[Tensor, ...]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    with torch.inference_mode():
        ids, scores = module(*asked, torch.tensor([[_TOP_N]]))
    return ids[0].numpy(), scores[0].numpy()


def _judged(
    module: nn.Module, known: Knowledge, asked: tuple[Tensor, ...], taste: Tensor
) -> np.ndarray[Any, Any]:
    """[I] logits of the whole catalogue, from the same counts and taste numbers [I, T]."""
    items, counts = known.data.items, known.state.counts
    with torch.inference_mode():
        logits: Tensor = module.judge(  # type: ignore[operator]
            *asked,
            torch.from_numpy(items.ids[None, :]),
            torch.from_numpy(counts.events[None, :]),
            torch.from_numpy(counts.positives[None, :]),
            torch.from_numpy(counts.total[None, :1]),
            taste[None],
            items.count,
        )
    return logits[0].double().numpy()
