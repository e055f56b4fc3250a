"""Parity: the exported graph, loaded from its file, against the eager models on real requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recommender_training.evaluation import ranking
from recommender_training.export.build import Knowledge
from recommender_training.export.probes import probes
from recommender_training.features.table import Inputs
from recommender_training.models import calibration

#: Largest difference of a probability that is float32 arithmetic and no defect.
TOLERANCE = 1e-4
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
    all items as it judges them. Raises ParityError.
    """
    worst = _largest(module, scorer, known, requests)
    if not worst <= TOLERANCE:
        raise ParityError(f"exported and eager probabilities differ by {worst:.2e}")
    return {"requests": len(requests), "maxDifference": float(f"{worst:.3g}")}


def check_variant(
    module: nn.Module,
    scorer: ranking.Scorer,
    known: Knowledge,
    requests: list[ranking.Request],
) -> dict[str, Any]:
    """As `check`, for a graph that is to differ from eager mode: what it serves is held against
    what it judges, which the gates saw. `maxDifference` is still the one to eager mode.
    """
    apart = 0.0
    for request in requests:
        asked = _request(known, request)
        ids, scores = _answer(module, asked)
        inputs = ranking.catalogue_inputs(
            known.data, known.constants, known.state, request, known.history_length
        )
        judged = calibration.probability(_judged(module, known, asked, inputs))
        rows = np.searchsorted(known.data.items.ids, ids)
        apart = max(apart, float(np.abs(judged[rows] - scores).max(initial=0.0)))
    if not apart <= TOLERANCE:
        raise ParityError(f"a variant serves and judges probabilities {apart:.2e} apart")
    worst = _largest(module, scorer, known, requests)
    return {"requests": len(requests), "maxDifference": float(f"{worst:.3g}")}


def between(one: nn.Module, other: nn.Module, asked: Iterable[tuple[Tensor, ...]]) -> float:
    """Largest difference of a score of two forms of one graph, which answer the same items.

    `asked` are the seven inputs of each batch. Raises ParityError.
    """
    worst = 0.0
    for inputs in asked:
        with torch.inference_mode():
            (ids, scores), (their_ids, their_scores) = one(*inputs), other(*inputs)
        if not torch.equal(ids, their_ids):
            raise ParityError(f"two forms of a graph answer other items to {len(ids)} requests")
        if scores.numel():
            worst = max(worst, float((scores - their_scores).abs().max()))
    if not worst <= TOLERANCE:
        raise ParityError(f"two forms of a graph differ by {worst:.2e}")
    return float(f"{worst:.3g}")


def widened(
    told: dict[str, Any], module: nn.Module, graph: nn.Module, known: Knowledge
) -> dict[str, Any]:
    """What `check` told, with batches, unknown ids and long sessions: the loaded `module` against
    the `graph` that it was compiled from. Raises ParityError.
    """
    asked = list(probes(known.data.users.ids, known.data.items.ids))
    worst = max(told["maxDifference"], between(module, graph, asked))
    return {
        "requests": told["requests"] + sum(len(one[0]) for one in asked),
        "maxDifference": worst,
    }


def _largest(
    module: nn.Module,
    scorer: ranking.Scorer,
    known: Knowledge,
    requests: list[ranking.Request],
) -> float:
    worst = 0.0
    for request in requests:
        asked = _request(known, request)
        ids, scores = _answer(module, asked)
        inputs = ranking.catalogue_inputs(
            known.data, known.constants, known.state, request, known.history_length
        )
        expected = calibration.probability(scorer(inputs))
        rows = np.searchsorted(known.data.items.ids, ids)
        worst = max(worst, float(np.abs(expected[rows] - scores).max(initial=0.0)))
        judged = calibration.probability(_judged(module, known, asked, inputs))
        worst = max(worst, float(np.abs(expected - judged).max()))
    return worst


def _request(known: Knowledge, request: ranking.Request) -> tuple[Tensor, ...]:
    """The inputs of one request, but for the number of items."""
    events, data = known.data.events, known.data
    session = request.session

    def column(values: np.ndarray[Any, Any], padding: float) -> Tensor:
        row = values if len(session) else np.array([padding], dtype=values.dtype)
        return torch.from_numpy(row[None, :])

    return (
        torch.tensor([[int(data.users.ids[request.user])]]),
        torch.full((1, 3), -1),
        column(data.items.ids[events.item[session]], -1),
        column(events.time[session], 0),
        column(events.value[session], 0.0),
        torch.tensor([[request.time]]),
    )


def _answer(
    module: nn.Module, asked: tuple[Tensor, ...]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    with torch.inference_mode():
        ids, scores = module(*asked, torch.tensor([[_TOP_N]]))
    return ids[0].numpy(), scores[0].numpy()


def _judged(
    module: nn.Module, known: Knowledge, asked: tuple[Tensor, ...], inputs: Inputs
) -> np.ndarray[Any, Any]:
    """[I] logits of the whole catalogue, from the same counts and numbers as `inputs` have."""
    items, counts = known.data.items, known.state.counts
    with torch.inference_mode():
        logits: Tensor = module.judge(  # type: ignore[operator]
            *asked,
            torch.from_numpy(items.ids[None, :]),
            torch.from_numpy(counts.events[None, :]),
            torch.from_numpy(counts.positives[None, :]),
            torch.from_numpy(counts.total[None, :1]),
            torch.cat([inputs.taste, inputs.extra], 1)[None],
            items.count,
        )
    return logits[0].double().numpy()
