"""The part of an experiment in which an impression was, as a request gives it: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_collector.domain.checks import (
    MAX_PHASE,
    MAX_VALUE,
    InvalidEvent,
    is_arm,
    is_cap,
    is_experiment,
    is_phase,
    segments_of,
)
from recommender_collector.domain.events import Exposure
from recommender_contract.events import Kind

EXPOSURE_FIELDS = Exposure._fields
_NAMES = frozenset(EXPOSURE_FIELDS)
_REQUIRED = EXPOSURE_FIELDS[:4]
_CHECKS = (
    (is_experiment, "give 8 lowercase hex digits"),
    (is_phase, f"give a whole number from 0 to {MAX_PHASE}"),
    (is_arm, "give the name of a version: 1 to 80 of a-z, 0-9 and -"),
    (is_cap, f"give a number above 0, at most {MAX_VALUE:g}"),
)


def exposure_of(raw: Mapping[str, Any], kind: Kind) -> Exposure | None:
    """Return the exposure of an impression; None outside experiments.

    Raises:
        InvalidEvent: a field is wrong or missing, or the event is no impression.
    """
    if _NAMES.isdisjoint(raw):
        return None
    given = {name: raw[name] for name in EXPOSURE_FIELDS if raw.get(name) is not None}
    if not given:
        return None
    if kind is not Kind.IMPRESSION:
        name = next(iter(given))
        raise InvalidEvent(
            name, given[name], f"only an impression has it: leave it out of a {kind}"
        )
    for name in _REQUIRED:
        if name not in given:
            raise InvalidEvent(name, None, f"give all of {', '.join(_REQUIRED)}, or none")
    for name, (is_valid, remedy) in zip(_REQUIRED, _CHECKS, strict=True):
        if not is_valid(given[name]):
            raise InvalidEvent(name, given[name], remedy)
    try:
        segments = segments_of(given.get("segments", {}))
    except ValueError as error:
        raise InvalidEvent("segments", given["segments"], str(error)) from None
    return Exposure(
        given["experiment"], given["phase"], given["arm"], float(given["cap"]), segments
    )
