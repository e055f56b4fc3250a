"""The segments in which predictions count: what their requests said of features: pure.

A version keeps the first three features to arrive, and the first ten values of each; all others
are one segment. So their number is bounded whatever is sent. A value keeps its place, so a
prediction says where it counts by one number, and nothing has to be looked up to subtract it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from recommender_collector.domain.checks import is_feature
from recommender_collector.domain.events import ContextValue
from recommender_collector.experiments.experiment import OTHER
from recommender_contract.bands import UNKNOWN
from recommender_contract.events import MAX_SEGMENT, MAX_SEGMENTS

#: Values by feature, both in the order of their arrival.
Values: TypeAlias = dict[str, list[str]]
#: Digits of a feature in a code: 0 for none, then the places of values.
_BASE = OTHER + 2
#: Codes are below it.
CODES = _BASE**MAX_SEGMENTS


def code_of(
    known: Values, names: Sequence[str], given: Mapping[str, ContextValue] | None
) -> tuple[int, bool]:
    """Return where a request counts, and whether that gave a place to something new.

    Args:
        known: those of the version, which are changed.
        names: the features that divide the requests.
        given: what the request says of its features.
    """
    code, is_new = 0, False
    for name in names:
        if name not in known and len(known) >= MAX_SEGMENTS:
            continue
        values = known.setdefault(name, [])
        value = _text((given or {}).get(name))
        if value not in values and len(values) < OTHER:
            values.append(value)
            is_new = True
        place = values.index(value) if value in values else OTHER
        code += (1 + place) * _BASE ** list(known).index(name)
    return code, is_new


def places_of(code: int) -> list[int]:
    """Return the segments of a code, each by a number."""
    found = []
    for feature in range(MAX_SEGMENTS):
        code, digit = divmod(code, _BASE)
        if digit:
            found.append(feature * _BASE + digit)
    return found


def named(known: Values, place: int) -> tuple[str, str | None] | None:
    """Return feature and value of a segment; no value for all but the first ten.

    None: a version does not have it.
    """
    feature, digit = divmod(place, _BASE)
    names = list(known)
    if not (0 <= feature < len(names) and digit > 0):
        return None
    values = known[names[feature]]
    if digit - 1 == OTHER:
        return names[feature], None
    return (names[feature], values[digit - 1]) if digit <= len(values) else None


def is_known(value: object) -> bool:
    """Return whether a value is what `Values` may be."""
    return (
        isinstance(value, dict)
        and len(value) <= MAX_SEGMENTS
        and all(
            is_feature(name)
            and isinstance(values, list)
            and len(values) <= OTHER
            and all(isinstance(each, str) and 0 < len(each) <= MAX_SEGMENT for each in values)
            for name, values in value.items()
        )
    )


def _text(value: ContextValue | None) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) and 0 < len(value) <= MAX_SEGMENT else UNKNOWN
