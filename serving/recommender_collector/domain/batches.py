"""A request's events by model, and what is wrong with the others: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.events import Event
from recommender_collector.domain.validation import Rules, event_of

MAX_EVENTS = 1000


class InvalidBatch(ValueError):  # noqa: N818 - it is the batch that is invalid
    """The body holds no list of events; the message has the remedy."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that is not accepted. `index` is its place in the request, from 0."""

    index: int
    id: str | None
    field: str
    error: str


@dataclass(slots=True)
class Batch:
    """Valid events by model, each with its place in the request, and rejected events."""

    events: dict[str, list[tuple[int, Event]]] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    size: int = 0


def check(
    body: object,
    models: Mapping[str, Rules],
    now: float,
    unwrap: Callable[[object], object] | None = None,
) -> Batch:
    """Check every event of a request; a bad event does not affect the others.

    Args:
        body: an event, a list of 1 to 1000 events, or an object with such a list as `events`.
        models: rules of each model. An event names its model, unless there is only one.
        now: seconds since 1970.
        unwrap: turns an event of another format into ours.

    Raises:
        InvalidBatch: no events, or too many.
    """
    raws = _list(body)
    sole = next(iter(models)) if len(models) == 1 else None
    batch = Batch(size=len(raws))
    for index, each in enumerate(raws):
        try:
            raw = each if unwrap is None else unwrap(each)
            model = _model(raw, models, sole)
            batch.events.setdefault(model, []).append((index, event_of(raw, models[model], now)))
        except InvalidEvent as error:
            id_ = each.get("id") if isinstance(each, dict) else None
            shown = id_[:256] if isinstance(id_, str) else None
            batch.rejected.append(Rejected(index, shown, error.field, str(error)))
    return batch


def _list(body: object) -> list[Any]:
    if isinstance(body, dict) and set(body) == {"events"}:
        body = body["events"]
    raws = [body] if isinstance(body, dict) else body
    if not isinstance(raws, list) or not 1 <= len(raws) <= MAX_EVENTS:
        raise InvalidBatch(
            f"the body has {len(raws)} events: give 1 to {MAX_EVENTS}"
            if isinstance(raws, list)
            else 'the body must be an event, a list of events, or {"events": [...]}'
        )
    return raws


def _model(raw: object, models: Mapping[str, Rules], sole: str | None) -> str:
    name = raw.get("model") if isinstance(raw, dict) else None
    if name is None and sole is not None:
        return sole
    if isinstance(name, str) and name in models:
        return name
    known = ", ".join(sorted(models)[:10])
    raise InvalidEvent("model", name, f"give one of the declared models: {known}")
