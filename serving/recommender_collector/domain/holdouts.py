"""The group of a holdout's measure in which an impression's user is, as a request gives it: pure.

A measure is counted as an experiment whose arms are the two groups, beside the one of versions.
"""

from __future__ import annotations

from recommender_collector.domain.checks import (
    MAX_VALUE,
    InvalidEvent,
    is_cap,
    is_experiment,
)
from recommender_collector.domain.events import Exposure, Kind
from recommender_collector.domain.experiments import GROUPS

FIELD = "holdout"
PHASE = 0  # the only one of a measure


def _is_group(value: object) -> bool:
    return isinstance(value, str) and value in GROUPS


_CHECKS = (
    ("id", is_experiment, "give 8 lowercase hex digits"),
    ("group", _is_group, "give holdout or others"),
    ("cap", is_cap, f"give a number above 0, at most {MAX_VALUE:g}"),
)
_NAMES = frozenset(name for name, _, _ in _CHECKS)


def group_of(value: object, kind: Kind) -> Exposure | None:
    """Return the exposure of an impression in a measure; None outside of one.

    Raises:
        InvalidEvent: a part is wrong or missing, or the event is no impression.
    """
    if value is None:
        return None
    if kind is not Kind.IMPRESSION:
        raise InvalidEvent(FIELD, value, f"only an impression has it: leave it out of a {kind}")
    if not isinstance(value, dict) or value.keys() != _NAMES:
        raise InvalidEvent(FIELD, value, "give an object of id, group and cap")
    for name, is_valid, remedy in _CHECKS:
        if not is_valid(value[name]):
            raise InvalidEvent(f"{FIELD}.{name}", value[name], remedy)
    return Exposure(value["id"], PHASE, value["group"], float(value["cap"]))


def archived(of: Exposure) -> dict[str, object]:
    """Return the field of a request that gives an exposure."""
    return {"id": of.experiment, "group": of.arm, "cap": of.cap}
