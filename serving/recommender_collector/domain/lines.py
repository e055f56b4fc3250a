"""The form of events in the log, a line each: pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeGuard

import orjson

from recommender_collector.domain.checks import (
    is_arm,
    is_cap,
    is_duration,
    is_experiment,
    is_phase,
    is_probability,
    is_source,
    is_teams,
    is_threshold,
    segments_of,
)
from recommender_collector.domain.events import (
    Erasure,
    Event,
    Explored,
    Exposure,
    Id,
    Interleaved,
    Served,
)
from recommender_contract.events import Kind

FORMAT = 1
LATEST = 253_402_300_799_999  # the last moment of the year 9999
LARGEST = 2**63 - 1  # of the numbers that stand for ids in the store and in the models
#: Bytes of a digest. With the two bytes that Redis adds, a digest fills an allocation of 16.
DIGEST_BYTES = 14
_BLAKE2B = hashlib.blake2b(digest_size=DIGEST_BYTES)  # a copy takes less than a new one

#: Fields of the lines of each release so far. A line has the later ones if the event has any of
#: them, so that a writer of an earlier release reads the others. The latest ones are one each.
_FIRST_FIELDS = len(Event._fields) - 12
_SECOND_FIELDS = len(Event._fields) - 10
_NONE = (None,) * (len(Event._fields) - _SECOND_FIELDS)
_PLAIN = len(Exposure._fields) - 1  # fields of an exposure without segments


class Line(NamedTuple):
    """An event to append: the digest of its id, and its line."""

    digest: bytes
    line: bytes


@dataclass(frozen=True, slots=True)
class Lines:
    """Events to append together, without an object for each, which would take much of the time."""

    count: int
    digests: bytes  # one after the other
    text: bytes  # the lines, with a line break between two

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Self:
        """Put lines together."""
        digests, texts = zip(*lines, strict=True)
        return cls(len(digests), b"".join(digests), b"\n".join(texts))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put the lines of several requests together."""
        if len(parts) == 1:
            return parts[0]
        digests, texts = [each.digests for each in parts], [each.text for each in parts]
        return cls(sum(map(len, parts)), b"".join(digests), b"\n".join(texts))

    def parts(self, size: int) -> Sequence[Lines]:
        """Return the lines in parts of at most `size` bytes; a longer line is one by itself."""
        if len(self.text) <= size:
            return (self,)
        found: list[Lines] = []
        part: list[Line] = []
        free = size
        for each in self:
            if part and len(each.line) > free:
                found.append(Lines.of(part))
                part, free = [], size
            part.append(each)
            free -= len(each.line) + 1
        return [*found, Lines.of(part)]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Line]:
        starts = range(0, len(self.digests), DIGEST_BYTES)
        digests = (self.digests[start : start + DIGEST_BYTES] for start in starts)
        return map(Line, digests, self.text.split(b"\n"))


class Unreadable(ValueError):  # noqa: N818 - it is the line that is unreadable
    """A line of the log is neither an event nor an erasure."""


def digest(id_: str) -> bytes:
    """Return the 14 bytes of BLAKE2b (RFC 7693) that stand for an event's id."""
    hashing = _BLAKE2B.copy()
    hashing.update(id_.encode())
    return hashing.digest()


def line_of(entry: Event | Erasure) -> bytes:
    """Return an entry as one line of JSON, without the line break."""
    if isinstance(entry, Erasure):
        return orjson.dumps((FORMAT, "erase", entry.user))
    if entry[_SECOND_FIELDS:] != _NONE:
        return orjson.dumps((FORMAT, *entry[:_SECOND_FIELDS], *_later(entry)))
    if entry.version is None and entry.path is None:
        return orjson.dumps((FORMAT, *entry[:_FIRST_FIELDS]))
    return orjson.dumps((FORMAT, *entry[:_SECOND_FIELDS]))


def _later(event: Event) -> list[Any]:
    """Return the later fields of a line, up to the last one that the event has."""
    explored = None if event.explored is None else tuple(event.explored)
    exposure, holdout = _exposed(event.exposure), _exposed(event.holdout)
    interleaved = None if event.interleaved is None else tuple(event.interleaved)
    served = None if event.served is None else tuple(event.served)
    values = [
        exposure, event.probabilities, explored, holdout, event.label_segments, interleaved,
        served, event.of_group, event.source, event.proven,
    ]  # fmt: skip
    while values[-1] is None:
        values.pop()
    return values


def _exposed(exposure: Exposure | None) -> tuple[Any, ...] | None:
    if exposure is None:
        return None
    return tuple(exposure if exposure.segments else exposure[:_PLAIN])


def entry_of(line: bytes) -> Event | Erasure:
    """Return the entry of a line.

    Raises:
        Unreadable: the line does not have this format; the message says why. No line raises
            anything else: a writer that ends at a line reads it again when it starts.
    """
    try:
        return _entry_of(line)
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}"[:200]) from None


def _entry_of(line: bytes) -> Event | Erasure:
    try:
        row: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error}") from None
    if not isinstance(row, list) or not row or row[0] != FORMAT:
        raise Unreadable(f"not a list that starts with the format {FORMAT}")
    if len(row) == 3 and row[1] == "erase" and is_id(row[2]):
        return Erasure(row[2])
    fields = len(row) - 1
    if fields not in (_FIRST_FIELDS, *range(_SECOND_FIELDS, len(Event._fields) + 1)):
        raise Unreadable(f"{len(row)} fields in place of {1 + len(Event._fields)}")
    _, id_, kind, user, items, time, *rest = row
    try:
        known = Kind(kind)
    except ValueError:
        raise Unreadable(f"unknown kind {str(kind)[:40]!r}") from None
    if not (isinstance(id_, str) and is_id(user) and type(time) is int):
        raise Unreadable("id, user or time has the wrong type, or is out of range")
    if not (isinstance(items, list) and all(map(is_id, items))):
        raise Unreadable("the items are no ids")
    if not 0 <= time <= LATEST:
        raise Unreadable("the time is not in milliseconds since 1970")
    _check(*rest[: _SECOND_FIELDS - 5])
    later = fields - _SECOND_FIELDS
    if later > 0:
        rest[-later:] = _later_of(rest[-later:])
    event = Event(id_, known, user, tuple(items), time, *rest)
    if event.interleaved is not None and not is_teams(event.interleaved.teams, len(items)):
        raise Unreadable("the interleaving lacks a letter for each item")
    if event.of_group is not None and event.of_group > len(items):
        raise Unreadable("more items are of the group than were shown")
    return event


def is_id(value: object) -> TypeGuard[Id]:
    """Return whether a value of a line may be an id: a text, or a number that fits the models."""
    return type(value) is str or (type(value) is int and 0 <= value <= LARGEST)


def _is_context_value(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str | int | float) for each in value)
    return isinstance(value, str | int | float)


def _check(value: object, *others: object) -> None:
    """Refuse what another program wrote into a log that it may write to."""
    request, session, query, context, *answered = others
    if not (value is None or type(value) in (int, float)):
        raise Unreadable("the value is no number")
    if not all(isinstance(each, str | None) for each in (request, session, query, *answered)):
        raise Unreadable("request, session, query, version or path is no text")
    if context is not None and not (
        isinstance(context, dict) and all(map(_is_context_value, context.values()))
    ):
        raise Unreadable("the context is wrong")


def _later_of(values: list[Any]) -> list[Any]:
    """Return the exposure and, of a line that has them, the fields after it.

    The last one is never absent, as then the line would have ended before it.
    """
    readers = (
        _exposure_of, _probabilities_of, _explored_of, _exposure_of, _segments_of, _interleaved_of,
        _served_of, _of_group_of, _source_of, _proven_of,
    )  # fmt: skip
    *former, last = zip(values, readers, strict=False)
    found = [None if value is None else read(value) for value, read in former]
    value, read = last
    return [*found, read(value)]


def _exposure_of(value: object) -> Exposure:
    if isinstance(value, list) and len(value) in (_PLAIN, _PLAIN + 1):
        experiment, phase, arm, cap, *rest = value
        try:
            segments = segments_of(dict(rest[0])) if rest else ()
        except (ValueError, TypeError):
            raise Unreadable("the segments of an experiment are wrong") from None
        if is_experiment(experiment) and is_phase(phase) and is_arm(arm) and is_cap(cap):
            return Exposure(experiment, phase, arm, cap, segments)
    raise Unreadable("the part of an experiment is wrong")


def _probabilities_of(value: object) -> tuple[float, ...]:
    if isinstance(value, list) and all(map(is_probability, value)):
        return tuple(map(float, value))
    raise Unreadable("the probabilities are wrong")


def _explored_of(value: object) -> Explored:
    if isinstance(value, list) and len(value) == 2:
        place, pool = value
        if type(place) is int and isinstance(pool, list) and all(map(is_id, pool)):
            return Explored(place, tuple(pool))
    raise Unreadable("what was explored is wrong")


def _segments_of(value: object) -> tuple[tuple[str, str], ...]:
    try:
        return segments_of(dict(value))  # type: ignore[call-overload]
    except (ValueError, TypeError):
        raise Unreadable("the segments of predictions are wrong") from None


def _interleaved_of(value: object) -> Interleaved:
    if isinstance(value, list) and len(value) == len(Interleaved._fields):
        id_, candidate, teams = value
        if is_experiment(id_) and is_arm(candidate) and isinstance(teams, str):
            return Interleaved(id_, candidate, teams)
    raise Unreadable("the interleaving is wrong")


def _served_of(value: object) -> Served:
    if isinstance(value, list) and len(value) == len(Served._fields):
        milliseconds, slower_than, failed = value
        is_valid = is_duration(milliseconds) and is_threshold(slower_than)
        if is_valid and isinstance(failed, bool):
            return Served(milliseconds, slower_than, failed)
    raise Unreadable("how the request was served is wrong")


def _source_of(value: object) -> str:
    if is_source(value):
        return str(value)
    raise Unreadable("the source is wrong")


def _proven_of(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise Unreadable("whether the request is proven is no boolean")


def _of_group_of(value: object) -> int:
    if type(value) is int and value >= 0:
        return value
    raise Unreadable("the number of items of the group is wrong")
