"""A request's events by model, and what is wrong with the others: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, methodcaller
from types import NoneType
from typing import Any, Self

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.columns import Alike, columns_of, lines_of
from recommender_collector.domain.fields import KINDS
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.domain.validation import Rules, event_of
from recommender_contract.events import MAX_EVENTS, Kind

#: Fewer events with the same fields are checked faster one by one.
FEW = 4
_KIND, _MODEL = methodcaller("get", "kind"), methodcaller("get", "model")
#: The names of an event's fields, its kind and its model.
_Key = tuple[tuple[str, ...], str, str | None]
#: Of what is no object, or whose kind or model is no text: no kind has this name.
_ODD: _Key = ((), "", None)


class InvalidBatch(ValueError):  # noqa: N818 - it is the batch that is invalid
    """The body holds no list of events; the message has the remedy."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that is not accepted. `index` is its place in the request, from 0."""

    index: int
    id: str | None
    field: str
    error: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """Valid events of a model, in the order of the request."""

    places: Sequence[int]  # in the request, from 0
    kinds: Sequence[Kind]
    lines: Lines

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Put the parts of a request in its order."""
        if len(parts) == 1:
            return parts[0]
        entries = [entry for each in parts for entry in each._entries()]
        entries.sort()
        places, kinds, lines = zip(*entries, strict=True)
        return cls(places, kinds, Lines.of(lines))

    def without(self, kind: Kind) -> Self | None:
        """Return the events of other kinds; None if there are none."""
        entries = [each for each in self._entries() if each[1] is not kind]
        if not entries:
            return None
        places, kinds, lines = zip(*entries, strict=True)
        return type(self)(places, kinds, Lines.of(lines))

    def _entries(self) -> Iterator[tuple[int, Kind, Line]]:
        return zip(self.places, self.kinds, self.lines, strict=True)


@dataclass(slots=True)
class Batch:
    """Valid events by model, and rejected events."""

    events: dict[str, Accepted] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    size: int = 0


def validate_batch(
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
    given = _list(body)
    batch = Batch(size=len(given))
    accepted: defaultdict[str, list[Accepted]] = defaultdict(list)
    for place in _accept_together(given, unwrap, models, now, accepted):
        raw = given[place]
        try:
            native = raw if unwrap is None else unwrap(raw)
            model, alone = _alone(place, native, models, now)
        except InvalidEvent as error:
            id_ = raw.get("id") if isinstance(raw, dict) else None
            shown = id_[:256] if isinstance(id_, str) else None
            batch.rejected.append(Rejected(place, shown, error.field, str(error)))
        else:
            accepted[model].append(alone)
    batch.rejected.sort(key=attrgetter("index"))
    batch.events = {model: Accepted.together(parts) for model, parts in accepted.items()}
    return batch


def _accept_together(
    given: Sequence[object],
    unwrap: Callable[[object], object] | None,
    models: Mapping[str, Rules],
    now: float,
    accepted: Mapping[str, list[Accepted]],
) -> Sequence[int]:
    """Accept the events that can be checked together; return the places of the others."""
    if len(given) < FEW:
        return range(len(given))
    raws: Sequence[Any] = given if unwrap is None else [_native(raw, unwrap) for raw in given]
    others: list[int] = []
    for places, alike, model in _alike(raws):
        name, lines = _sole(models) if model is None else model, None
        if alike is not None and name is not None and name in models and len(places) >= FEW:
            lines = lines_of(alike, models[name], now)
        if alike is None or name is None or lines is None:
            others += places
        else:
            accepted[name].append(Accepted(places, (alike.kind,) * len(places), lines))
    return others


def _native(raw: object, unwrap: Callable[[object], object]) -> object:
    """Return the event in our format, or None if it is wrong, which its own check reports.

    An exception that is kept until then would keep the frames, and so the request, in a cycle.
    """
    try:
        return unwrap(raw)
    except InvalidEvent:
        return None


def _alike(raws: Sequence[Any]) -> Iterator[tuple[Sequence[int], Alike | None, str | None]]:
    """Yield events with the same fields, kind and model: their places, themselves, the model.

    The second is None if no kind has this name.
    """
    if (found := _all_alike(raws)) is not None:
        yield range(len(raws)), *found
        return
    groups: defaultdict[_Key, list[int]] = defaultdict(list)
    for place, key in enumerate(_keys(raws)):
        groups[key].append(place)
    for (fields, named, model), places in groups.items():
        kind = KINDS.get(named)
        some = None if kind is None else Alike([raws[place] for place in places], fields, kind)
        yield places, some, model


def _all_alike(raws: Sequence[Any]) -> tuple[Alike, str | None] | None:
    """Return the events of a request that has only such ones, as most have, and their model."""
    if set(map(type, raws)) != {dict} or set(map(len, raws)) != {len(raws[0])}:
        return None
    fields = tuple(raws[0])
    if len(fields) < 2 or "kind" not in fields:
        return None
    try:
        given = columns_of(raws, fields)
    except KeyError:
        return None
    kinds, models = given["kind"], given.get("model", (None,))
    # Only with a text: to compare lists in lists may take more frames than there are.
    if not isinstance(kinds[0], str) or not isinstance(models[0], str | None):
        return None
    kind = KINDS.get(kinds[0])
    same = kinds.count(kinds[0]) == len(kinds) and models.count(models[0]) == len(models)
    return (Alike(raws, fields, kind, given), models[0]) if same and kind is not None else None


def _keys(raws: Sequence[Any]) -> list[_Key]:
    # Only texts are compared: to compare lists in lists may take more frames than there are.
    if set(map(type, raws)) == {dict}:
        kinds, models = list(map(_KIND, raws)), list(map(_MODEL, raws))
        if set(map(type, kinds)) == {str} and set(map(type, models)) <= {str, NoneType}:
            return list(zip(map(tuple, raws), kinds, models, strict=True))
    return [_key(raw) for raw in raws]


def _key(raw: object) -> _Key:
    if not isinstance(raw, dict):
        return _ODD
    kind, model = raw.get("kind"), raw.get("model")
    if not isinstance(kind, str) or not isinstance(model, str | None):
        return _ODD
    return tuple(raw), kind, model


def _alone(
    place: int, raw: object, models: Mapping[str, Rules], now: float
) -> tuple[str, Accepted]:
    """Return the model and the line of an event, checked by itself.

    Raises:
        InvalidEvent: the event violates the schema.
    """
    model = _model(raw, models)
    event = event_of(raw, models[model], now)
    lines = Lines(1, digest(event.id), line_of(event))
    return model, Accepted((place,), (event.kind,), lines)


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


def _model(raw: object, models: Mapping[str, Rules]) -> str:
    name = raw.get("model") if isinstance(raw, dict) else None
    if name is None and (sole := _sole(models)) is not None:
        return sole
    if isinstance(name, str) and name in models:
        return name
    known = ", ".join(sorted(models)[:10])
    raise InvalidEvent("model", name, f"give one of the declared models: {known}")


def _sole(models: Mapping[str, Rules]) -> str | None:
    return next(iter(models)) if len(models) == 1 else None
