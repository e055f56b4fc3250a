"""The group of a holdout's measure in which an impression's user is, as a request gives it: pure.

A measure is counted as an experiment whose arms are the two groups, beside the one of versions.
"""

from __future__ import annotations

from typing import Any

from recommender_collector.domain.arms import GROUPS
from recommender_collector.domain.checks import (
    MAX_VALUE,
    InvalidEvent,
    is_cap,
    is_experiment,
)
from recommender_collector.domain.events import Exposure, part_of_impression
from recommender_contract.events import Kind

FIELD = "holdout"
PHASE = 0  # the only one of a measure


def _is_group(value: object) -> bool:
    return isinstance(value, str) and value in GROUPS


_CHECKS = (
    ("id", is_experiment, "give 8 lowercase hex digits"),
    ("group", _is_group, "give holdout or others"),
    ("cap", is_cap, f"give a number above 0, at most {MAX_VALUE:g}"),
)
_NAMES = tuple(name for name, _, _ in _CHECKS)


def group_of(value: object, kind: Kind) -> Exposure | None:
    """Return the exposure of an impression in a measure; None outside of one.

    Raises:
        InvalidEvent: a part is wrong or missing, or the event is no impression.
    """
    part: Any = part_of_impression(FIELD, value, kind, _NAMES)
    if part is None:
        return None
    for name, is_valid, remedy in _CHECKS:
        if not is_valid(part[name]):
            raise InvalidEvent(f"{FIELD}.{name}", part[name], remedy)
    return Exposure(part["id"], PHASE, part["group"], float(part["cap"]))


def archived_group(of: Exposure) -> dict[str, object]:
    """Return the field of a request that gives an exposure."""
    return {"id": of.experiment, "group": of.arm, "cap": of.cap}
