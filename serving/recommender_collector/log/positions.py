"""Where the writer of the store is in the log: after a record, or within one.

A record may have more effects than a script should apply at once, so it is applied in parts. The
offset moves with the last one. Until then a key of its own has the part, so that all who read the
offset find a record that is applied whole:

    {<model>}:store:offset   "<record>", the last one that is applied whole
    {<model>}:store:part     "<offset> <record> <lines>": of the record after this offset, so many
                             lines are applied. It counts only with exactly this offset: a writer
                             of an earlier release moves the offset and leaves the part

A place is the part if it counts, else the offset.
"""

from __future__ import annotations

from collections.abc import Sequence

from recommender_collector.log.event_log import START

#: Lua that finds the place. KEYS: the offset, the part.
FIND_PLACE = """
local place = redis.call('GET', KEYS[1]) or '0-0'
local part = redis.call('GET', KEYS[2])
if part and string.sub(part, 1, #place + 1) == place .. ' ' then place = part end
"""


def offset_key(model: str) -> str:
    """Return the key of the offset."""
    return f"{{{model}}}:store:offset"


def part_key(model: str) -> str:
    """Return the key of the part."""
    return f"{{{model}}}:store:part"


def keys(model: str) -> list[str]:
    """Return both keys, of whose values `place_of` makes a place."""
    return [offset_key(model), part_key(model)]


def place_of(found: Sequence[bytes | None]) -> str:
    """Return the place of the values of both keys."""
    offset, part = (each.decode() if each else "" for each in found)
    offset = offset or START
    return part if part.startswith(f"{offset} ") else offset


def within(place: str, record: str, lines: int) -> str:
    """Return the place after some lines of the record that follows a place."""
    return f"{offset_of(place)} {record} {lines}"


def offset_of(place: str) -> str:
    """Return the offset of a place."""
    return place.partition(" ")[0]


def lines_of(place: str, record: str) -> int:
    """Return how many lines of a record are applied at a place that is not after it."""
    _, _, part = place.partition(" ")
    name, _, lines = part.partition(" ")
    return int(lines) if name == record else 0
