"""How lists are ordered: weights of the sources, and whether items come again.

Chosen on requests of the validation window, with models that have not seen it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recommender_contract.resource.training_settings import Repeats
from recommender_training.common.arrays import Bools, Floats, Ints
from recommender_training.common.progress import say
from recommender_training.config.training import TrainingConfig
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.evaluation.predictions import Window
from recommender_training.evaluation.ranking_metrics import Shortlist
from recommender_training.features.prepared_data import PreparedData, judged_at
from recommender_training.fitted.bundle import Bundle
from recommender_training.fitted.order_weights import TRANSITIONS, TRENDS, OrderWeights
from recommender_training.models import repeats
from recommender_training.statistics import list_order
from recommender_training.statistics.list_order import FittedOrder, ListSources

#: Requests of a fit, and of each source by itself the best items that it compares.
_REQUESTS, _BEST = 1_000, 100
#: Scores of items that are held at once.
_BLOCK = 4_000_000
_RESPONSE = "response"


@dataclass(frozen=True)
class _Chosen:
    order: OrderWeights
    repeat_after: int | None
    choice: dict[str, object]


def with_order(bundle: Bundle, prepared: PreparedData, config: TrainingConfig) -> Bundle:
    """The models with the order of their lists.

    Labels of shown items keep the order of the response: what users did together tells what
    earlier models showed (ADR 0064).
    """
    say("order of lists: validation window")
    found = _chosen(bundle, prepared, config)
    say(f"order of lists: {found.choice}")
    sources = replace(
        bundle.sources, order=found.order, repeat_after=found.repeat_after, choice=found.choice
    )
    return replace(bundle, sources=sources)


def order_in(report: Mapping[str, Any]) -> tuple[OrderWeights | None, int | None]:
    """The weights of a version and its `repeat_after`, by its report.

    No weights by that of an earlier release, whose lists have no item twice.
    """
    found = report.get("retrieval", {})
    if "order" not in found:
        return None, None
    return OrderWeights.read(found["order"]["weights"]), found["repeats"].get("afterSeconds")


def _chosen(bundle: Bundle, prepared: PreparedData, config: TrainingConfig) -> _Chosen:
    start, wanted, after = bundle.sources.order, config.repeats, config.repeat_after
    # A graph with a fault that is rehearsed reads none.
    trends = config.trends and config.fault is None
    optional = (TRENDS, TRANSITIONS) if trends else (TRANSITIONS,)
    label = prepared.data.label
    if label is not None and label.of_shown_items:
        return _unfitted(start, after, wanted, "ShownItems")
    window = predictions.window(prepared, prepared.split.validation, bundle.sources)
    wide = start.with_sources(*optional)
    window = window.ordered_by(wide, None)
    if wanted is Repeats.NEVER or not _any_repeat(prepared):
        reason = "Declared" if wanted is not Repeats.AUTO else "NoRepeats"
        found = fitted(bundle, prepared, window, config.seed, optional)
        return _of(start, found, None if wanted is Repeats.AUTO else after, reason)
    again = window.ordered_by(wide, after or 0)
    lists, own = sources_of(bundle, prepared, again)
    allowed = list_order.fit_order(lists, config.seed, optional)
    if wanted is not Repeats.AUTO:
        return _of(start, allowed, after, "Declared")
    never = list_order.fit_order(lists.without("repeats", own), config.seed, optional)
    gain = list_order.paired(allowed.held.ndcg, never.held.ndcg)
    facts = {"ndcgAt10Gain": _rounded(gain)}
    if allowed.requests < list_order.LEAST_REQUESTS:
        return _of(start, never, None, "TooFewRequests")
    if list_order.beyond_chance(gain):
        return _of(start, allowed, 0, "Validation", facts)
    return _of(start, never, None, "Validation", facts)


def _any_repeat(prepared: PreparedData) -> bool:
    rows, length = prepared.split.validation, prepared.history_length
    return repeats.share_of_repeats(prepared.data, rows, length) > 0


def fitted(
    bundle: Bundle,
    prepared: PreparedData,
    window: Window,
    seed: int,
    optional: Sequence[Collection[str]],
) -> FittedOrder:
    """The order of lists as the sources of the window are."""
    return list_order.fit_order(sources_of(bundle, prepared, window)[0], seed, optional)


def sources_of(
    bundle: Bundle, prepared: PreparedData, window: Window
) -> tuple[ListSources, Bools]:
    """The sources at the candidates of some requests; and [R, C] the items of the sessions."""
    window = _drawn(window)
    prepared = judged_at(prepared, window.start)
    scorer = predictions.scorers(bundle, prepared)[1]
    items, allowed, parts = _candidates(window)
    order = np.where(allowed, 0.0, -np.inf)
    response = window.scores(Shortlist(items, order), scorer)
    place = np.arange(len(items))[:, None]
    relevant = np.asarray(window.task.relevant[place, items].todense() > 0).reshape(items.shape)
    values = np.stack([response.astype(np.float32), *parts.values()])
    lists = ListSources((_RESPONSE, *parts), values, allowed, relevant, window.task.wanted)
    events = window.data.events
    sessions = [events.item[each.session] for each in window.task.requests]
    own = (
        np.stack([np.isin(row, had) for row, had in zip(items, sessions, strict=True)])
        if len(items)
        else np.zeros(items.shape, dtype=np.bool_)
    )
    return lists, own


def _drawn(window: Window) -> Window:
    """With _REQUESTS requests at most, from a fixed seed."""
    count = len(window.task.requests)
    if count <= _REQUESTS:
        return window
    drawn = np.sort(np.random.default_rng(0).choice(count, _REQUESTS, replace=False))
    other = replace(window, task=window.task.take(drawn))
    vars(other).update(
        item_weights=window.item_weights, repeats=window.repeats, next_items=window.next_items
    )
    return other


def _candidates(window: Window) -> tuple[Ints, Bools, dict[str, Floats]]:
    """[R, C] the best items by each source and by their sum, which of them are allowed, and [R, C]
    what each source gives them.
    """
    stage, requests = window.stage(), window.task.requests
    chosen: list[Ints] = []
    values: list[dict[str, Floats]] = []
    for part in ranking_metrics.blocks(len(requests), window.data.items.count, _BLOCK):
        parts = stage.parts([requests[place] for place in part])
        out = window.task.excluded[part].nonzero()
        best = np.zeros((len(part), window.data.items.count), dtype=np.bool_)
        for each in (*parts.values(), sum(parts.values())):
            order = np.array(each)
            order[out] = -np.inf
            most = min(_BEST, order.shape[1])
            np.put_along_axis(best, np.argpartition(-order, most - 1, 1)[:, :most], True, 1)
        best[out] = False
        for row in range(len(part)):
            mine = np.flatnonzero(best[row])
            chosen.append(mine)
            values.append({name: each[row, mine] for name, each in parts.items()})
    width = max((len(each) for each in chosen), default=0)
    items = (
        np.stack([_padded(each, width, 0) for each in chosen])
        if chosen
        else np.zeros((0, 0), dtype=np.int64)
    )
    sizes = np.array([len(each) for each in chosen], dtype=np.int64)
    allowed = np.arange(width)[None, :] < sizes[:, None]
    names = values[0] if values else {}
    found = {
        name: np.stack([_padded(each[name], width, 0.0) for each in values]) for name in names
    }
    return items, allowed, found


def _padded(values: Any, width: int, padding: float) -> Any:
    return np.pad(values, (0, width - len(values)), constant_values=padding)


def _unfitted(start: OrderWeights, after: int | None, wanted: Repeats, reason: str) -> _Chosen:
    choice = {
        "order": {"weights": start.facts, "chosenBy": reason},
        "repeats": _repeats(after, "Declared" if wanted is not Repeats.AUTO else reason),
    }
    return _Chosen(start, after, choice)


def _of(
    start: OrderWeights,
    found: FittedOrder,
    after: int | None,
    reason: str,
    facts: Mapping[str, object] | None = None,
) -> _Chosen:
    every = start.with_sources(TRENDS, TRANSITIONS)
    order = every.times(dict.fromkeys((*TRENDS, *TRANSITIONS), 0.0) | found.factors)
    order = replace(order, sharpness=found.sharpness)
    told: dict[str, object] = {
        "weights": {name: round(weight, 4) for name, weight in order.facts.items()},
        "chosenBy": found.chosen_by,
        "requests": found.requests,
    }
    if found.gain is not None:
        told["ndcgAt10Gain"] = _rounded(found.gain)
    if found.alone is not None:
        told["ndcgAt10Alone"] = {name: round(each, 6) for name, each in found.alone.items()}
    again = _repeats(after, reason) | dict(facts or {})
    return _Chosen(order, after, {"order": told, "repeats": again})


def _repeats(after: int | None, reason: str) -> dict[str, object]:
    served = "Never" if after is None else "Allowed" if after == 0 else "AfterDays"
    facts: dict[str, object] = {"served": served, "chosenBy": reason}
    return facts if after is None else facts | {"afterSeconds": after}


def _rounded(gain: tuple[float, float]) -> dict[str, float]:
    """A mean gain and its 95 % interval."""
    mean, error = gain
    apart = list_order.BEYOND_CHANCE * error
    return {
        "value": round(mean, 6),
        "low": round(mean - apart, 6),
        "high": round(mean + apart, 6),
    }
