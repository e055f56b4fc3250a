"""Rows of the files that training reads, with the columns of the mapping: pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import orjson

from recommender_collector.domain.declaration import Model, position_of
from recommender_collector.domain.events import Event, Id
from recommender_collector.domain.impression_fields import (
    HOLDOUT,
    LABEL_SEGMENTS,
    OF_GROUP,
    SERVED,
    archived_group,
    archived_outcome,
)
from recommender_contract.events import Kind
from recommender_contract.features import TEXTS
from recommender_contract.resource.mapping import TimeUnit


def interaction_rows(event: Event, model: Model) -> list[bytes]:
    """Return the rows of an event, one for each item, as lines of JSON without line breaks.

    An event of a kind that is no interaction has none, nor has one without an item or without
    the value that its kind needs. Rows of an impression have the place of the item in the list, if
    the mapping declares it as a feature (`position_of`) and the event does not state it.
    """
    values = model.values
    if event.kind not in values:
        return []
    value = values[event.kind]
    if value is None:
        value = event.value
    if value is None:
        return []
    columns = model.mapping.interactions
    row: dict[str, object] = {
        columns.user: event.user,
        columns.timestamp: _time(event.time, columns.timestamp_unit),
    }
    if columns.value is not None:
        row[columns.value] = value
    if columns.event_type is not None:
        row[columns.event_type] = event.kind.value
    if columns.session is not None:
        row[columns.session] = event.session
    given = event.context or {}
    row |= {each.source: given.get(each.name) for each in model.mapping.of_context}
    position = position_of(model.mapping)
    if position is None or event.kind is not Kind.IMPRESSION or position.name in given:
        return [orjson.dumps({**row, columns.item: item}) for item in event.items]
    column, as_text = position.source, position.kind in TEXTS
    return [
        orjson.dumps({**row, columns.item: item, column: str(place) if as_text else place})
        for place, item in enumerate(event.items, start=1)
    ]


def archive_line(event: Event) -> bytes:
    """Return the whole event as one line of JSON, by the field names of requests."""
    fields = event._asdict()
    if event.exposure is not None:
        fields |= event.exposure._asdict() | {"segments": dict(event.exposure.segments) or None}
    del fields["exposure"]
    if event.explored is not None:
        fields["explored"] = event.explored._asdict()
    if event.interleaved is not None:
        fields["interleaved"] = event.interleaved._asdict()
    if event.holdout is not None:
        fields[HOLDOUT] = archived_group(event.holdout)
    if (divided := fields.pop("label_segments")) is not None:
        fields[LABEL_SEGMENTS] = dict(divided)
    if event.served is not None:
        fields[SERVED] = archived_outcome(event.served)
    fields[OF_GROUP] = fields.pop("of_group")
    fields["time"] = _time(event.time, TimeUnit.ISO8601)
    return orjson.dumps({name: value for name, value in fields.items() if value not in (None, ())})


def is_row_of(line: bytes, column: str, users: Collection[Id]) -> bool:
    """Return whether the line is a JSON object whose `column` is one of the users."""
    found: object = orjson.loads(line)
    return isinstance(found, dict) and found.get(column) in users


def _time(milliseconds: int, unit: TimeUnit) -> int | str:
    if unit is TimeUnit.MILLISECONDS:
        return milliseconds
    if unit is TimeUnit.MICROSECONDS:
        return milliseconds * 1000
    if unit is TimeUnit.SECONDS:
        return milliseconds // 1000
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
