"""Parity: the exported graph, loaded from its file, against the eager models on real requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recommender_training.common.arrays import Bools, Doubles, Floats, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import ranking_metrics
from recommender_training.evaluation.first_stage import FirstStage
from recommender_training.export import torchscript
from recommender_training.export.build import ExportInputs
from recommender_training.export.comparison_requests import comparison_requests, inputs_of
from recommender_training.features import item_groups
from recommender_training.features.assembly import Inputs
from recommender_training.fitted.new_items import KeptWithin
from recommender_training.mitigation.exposure import Bonus
from recommender_training.models.trends import Trends
from recommender_training.statistics import calibration


def scored_items(
    order: Doubles,
    candidates: int | None,
    served: Ints,
    found: Bools,
    new: KeptWithin,
    slack: float,
) -> Ints:
    """[C] ascending rows of the items that a graph has to score: its candidates by `order` [I],
    and the `new` items that are kept beside them.

    Where the order of an item is the last candidate's but for the `slack` of the arithmetic, the
    graph may score it or not; what is `served` then shows which. So it does where the item is
    surely `found` [I] or not, but for the arithmetic: its page is the last one that is read, or
    the first that is not.
    """
    if candidates is None:
        return np.arange(len(order), dtype=np.int64)
    shown = np.zeros(len(order), dtype=np.bool_)
    shown[served] = True
    others, fewest = (
        np.where(new.surely, -np.inf, order),
        np.where(found & ~new.perhaps, order, -np.inf),
    )
    last, least = (_last(each, candidates) for each in (others, fewest))
    surely = new.surely | (found & (order > last + slack))
    perhaps = new.perhaps | (order >= least - slack)
    return np.flatnonzero(np.isfinite(order) & (surely | (shown & perhaps)))


def _last(order: Doubles, candidates: int) -> float:
    """The order of the last candidate; -inf where there are fewer items."""
    return -float(np.partition(-order, candidates - 1)[candidates - 1])


#: Largest difference of a probability that is float32 arithmetic and no defect.
TOLERANCE = 1e-4
#: The same of what a list is ordered by, whose values are twenty times as large.
RANK_TOLERANCE = 2e-3
_TOP_N = 50


class ParityError(RuntimeError):
    """The exported graph computes something else than the model that was evaluated."""


@dataclass(frozen=True)
class Lists:
    """Order of the lists of a graph, beside the export's inputs."""

    bonus: Bonus | None = None
    #: [I, I] what a variant leaves of item-to-item weights [I, I].
    left: Callable[[Tensor], Tensor] | None = None

    def first_stage(self, known: ExportInputs) -> FirstStage:
        """The order before the response, in eager mode."""
        weights = known.retrieval
        if weights is not None:
            weights = weights * np.float32(known.sources.order.items)
            if self.left is not None:
                weights = self.left(torch.from_numpy(weights)).numpy()
        return FirstStage(before(known), known.sources, weights, known.repeats, known.next_items)

    def added(self, known: ExportInputs) -> Floats | None:
        """[I] the bonus of each item, if any."""
        if self.bonus is None:
            return None
        members = item_groups.membership(self.bonus.by, known.data.items, known.state.counts)
        return self.bonus.of_items(members)


def before(known: ExportInputs) -> ranking_metrics.Known:
    """State of the catalogue when the graph answers."""
    return ranking_metrics.Known(known.data, known.constants, known.state, known.history_length)


_PLAIN = Lists()


@dataclass
class _Apart:
    """The largest differences so far."""

    eager: float = 0.0  # of a probability, to eager mode
    replayed: float = 0.0  # of a probability, between `forward` and `judge`
    rank: float = 0.0  # of what lists are ordered by

    def report(self, requests: int) -> dict[str, Any]:
        return {
            "requests": requests,
            "maxDifference": float(f"{self.eager:.3g}"),
            "maxDisorder": float(f"{self.rank:.3g}"),
        }


def check_parity(
    module: nn.Module,
    scorer: ranking_metrics.Scorer,
    known: ExportInputs,
    requests: list[ranking_metrics.Request],
    lists: Lists = _PLAIN,
) -> dict[str, Any]:
    """Largest difference of the probabilities: of the first 50 items that the graph serves, and of
    all candidates by `judge`; and of what these are ordered by. Raises ParityError.
    """
    apart = _apart(module, scorer, known, requests, lists)
    if not apart.eager <= TOLERANCE:
        raise ParityError(f"exported and eager probabilities differ by {apart.eager:.2e}")
    _check_order(apart, known)
    return apart.report(len(requests))


def check_variant(
    module: nn.Module,
    scorer: ranking_metrics.Scorer,
    known: ExportInputs,
    requests: list[ranking_metrics.Request],
    lists: Lists = _PLAIN,
) -> dict[str, Any]:
    """As `check`, for a graph that may differ from eager mode: what it serves is compared with
    what `judge` returns, which the gates saw. `maxDifference` is still the one to eager mode.
    """
    apart = _apart(module, scorer, known, requests, lists, own=True)
    if not apart.replayed <= TOLERANCE:
        raise ParityError(f"forward and judge of a variant differ by {apart.replayed:.2e}")
    _check_order(apart, known)
    return apart.report(len(requests))


def _check_order(apart: _Apart, known: ExportInputs) -> None:
    if not apart.rank <= RANK_TOLERANCE * max(1.0, known.sources.order.size):
        raise ParityError(
            f"exported lists are ordered otherwise than eager ones: {apart.rank:.2e}"
        )


def largest_difference(
    one: nn.Module, other: nn.Module, batches: Iterable[tuple[Tensor, ...]]
) -> float:
    """Largest difference of a score of two forms of one graph, which answer the same items.

    `batches` are the seven inputs of each batch. Raises ParityError.
    """
    worst = 0.0
    for inputs in batches:
        whole = inputs_of(one, inputs)
        with torchscript.as_served():
            (ids, scores), (their_ids, their_scores) = one(*whole), other(*whole)
        if not torch.equal(ids, their_ids):
            raise ParityError(f"two forms of a graph answer other items to {len(ids)} requests")
        if scores.numel():
            worst = _larger(worst, float((scores - their_scores).abs().max()))
    if not worst <= TOLERANCE:
        raise ParityError(f"two forms of a graph differ by {worst:.2e}")
    return float(f"{worst:.3g}")


def widened(
    report: dict[str, Any], module: nn.Module, graph: nn.Module, known: ExportInputs
) -> dict[str, Any]:
    """The report of `check`, with batches, unknown ids and long sessions.

    Compares the loaded `module` with the `graph` that it was compiled from. Raises ParityError.
    """
    batches = list(comparison_requests(known.data))
    worst = _larger(report["maxDifference"], largest_difference(module, graph, batches))
    return {
        **report,
        "requests": report["requests"] + sum(len(one[0]) for one in batches),
        "maxDifference": worst,
    }


def _apart(
    module: nn.Module,
    scorer: ranking_metrics.Scorer,
    known: ExportInputs,
    requests: list[ranking_metrics.Request],
    lists: Lists,
    *,
    own: bool = False,
) -> _Apart:
    """With `own`, lists are compared by the graph's own logits, not those of eager mode."""
    apart, first = _Apart(), lists.first_stage(known)
    added = lists.added(known)
    for request in requests:
        tensors = _request(known, request)
        ids, scores = _answer(module, tensors, _trends(known, request))
        served = np.searchsorted(known.data.items.ids, ids)
        order = first.scores([request])[0].astype(np.float64)
        if added is not None:
            order += added
        events, after = known.data.events, known.sources.repeat_after
        out = ranking_metrics.withheld(events, request.session, request.time, after)
        order[events.item[out]] = -np.inf
        slack = RANK_TOLERANCE * known.sources.order.size
        surely, perhaps = first.reached_within(request, slack)
        kept = first.new_within(request, order, slack)
        order[~(perhaps | kept.perhaps)] = -np.inf
        others = known.sources.plan.candidates and known.sources.plan.candidates - kept.count
        rows = scored_items(order, others, served, surely, kept, slack)
        if not np.isin(served, rows).all():
            raise ParityError("the exported graph serves items that are none of its candidates")
        inputs = first.known.inputs([request], rows[None])
        logits, by_graph = scorer(inputs), _replayed(module, known, tensors, rows, inputs)
        expected, replayed = calibration.probability(logits), calibration.probability(by_graph)
        at = np.searchsorted(rows, served)
        apart.eager = _larger(
            apart.eager,
            float(np.abs(expected[at] - scores).max(initial=0.0)),
            float(np.abs(expected - replayed).max()),
        )
        apart.replayed = _larger(
            apart.replayed, float(np.abs(replayed[at] - scores).max(initial=0.0))
        )
        rank = order[rows] + (by_graph if own else logits)
        apart.rank = _larger(apart.rank, _disorder(rank, at))
    return apart


def _larger(*differences: float) -> float:
    """The largest; not a number where one is none, which the built-in `max` would pass over."""
    return float(np.max(differences))


def _disorder(rank: Doubles, served: Ints) -> float:
    """How much the rank [I] of the worst misplaced item differs from that of its place.

    Zero where what is served are, in order, the items of the highest rank.
    """
    best = np.sort(rank)[::-1][: len(served)]
    return float(np.abs(best - rank[served]).max(initial=0.0))


def _request(known: ExportInputs, request: ranking_metrics.Request) -> tuple[Tensor, ...]:
    """The inputs of one request, but for the number of items."""
    events, data = known.data.events, known.data
    session = request.session

    def column(values: np.ndarray[Any, Any], padding: float) -> Tensor:
        row = values if len(session) else np.array([padding], dtype=values.dtype)
        return torch.from_numpy(row[None, :])

    return (
        torch.tensor([[int(data.users.ids[request.user])]]),
        _features(data, request),
        column(data.items.ids[events.item[session]], -1),
        column(events.time[session], 0),
        column(events.value[session], 0.0),
        torch.tensor([[request.time]]),
    )


def _features(data: Dataset, request: ranking_metrics.Request) -> Tensor:
    """[1, max(K, 1)] the context of a request; what is known of its user, the graph knows."""
    of_user = np.full(data.users.side.shape[1], np.nan, dtype=np.float32)
    values = np.concatenate([of_user, request.context])
    return torch.from_numpy(values if len(values) else np.full(1, np.nan, dtype=np.float32))[None]


def _trends(known: ExportInputs, request: ranking_metrics.Request) -> tuple[Tensor, ...]:
    """[1, T] items and counts of late, where the graph reads them."""
    if not known.sources.order.trend > 0:
        return ()
    counts = Trends.of(known.data).counts(np.array([request.time]))[0]
    some = np.flatnonzero(counts)
    ids = torch.from_numpy(known.data.items.ids[some][None])
    return ids, torch.from_numpy(counts[some][None])


def _answer(
    module: nn.Module, tensors: tuple[Tensor, ...], trends: tuple[Tensor, ...]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    with torchscript.as_served():
        ids, scores = module(*tensors, torch.tensor([[_TOP_N]]), *trends)
    return ids[0].numpy(), scores[0].numpy()


def _replayed(
    module: nn.Module,
    known: ExportInputs,
    tensors: tuple[Tensor, ...],
    rows: Ints,
    inputs: Inputs,
) -> np.ndarray[Any, Any]:
    """[C] logits of the items at `rows`, from the same counts and numbers as `inputs` have."""
    items, counts = known.data.items, known.state.counts.take(rows)
    with torchscript.as_served():
        logits: Tensor = module.judge(  # type: ignore[operator]
            *tensors,
            torch.from_numpy(items.ids[rows][None, :]),
            torch.from_numpy(counts.events[None, :]),
            torch.from_numpy(counts.positives[None, :]),
            torch.from_numpy(counts.total[None, :1]),
            torch.cat([inputs.taste, inputs.extra], 1)[None],
            items.count,
        )
    return logits[0].double().numpy()
