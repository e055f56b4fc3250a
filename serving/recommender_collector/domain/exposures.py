"""The part of an experiment in which an impression was, as a request gives it: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recommender_collector.domain.checks import MAX_VALUE, InvalidEvent
from recommender_collector.domain.events import Exposure, Kind

EXPOSURE_FIELDS = Exposure._fields
MAX_PHASE = 99
_ID = re.compile(r"[0-9a-f]{8}")
_VERSION = re.compile(r"[a-z0-9]([-a-z0-9.]{0,126}[a-z0-9])?")
_NAMES = frozenset(EXPOSURE_FIELDS)


def is_experiment(text: str) -> bool:
    """Return whether a text has the form of the id of an experiment."""
    return _ID.fullmatch(text) is not None


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
    for name in EXPOSURE_FIELDS:
        if name not in given:
            raise InvalidEvent(name, None, f"give all of {', '.join(EXPOSURE_FIELDS)}, or none")
    experiment, phase, arm, cap = given.values()
    if not isinstance(experiment, str) or not is_experiment(experiment):
        raise InvalidEvent("experiment", experiment, "give 8 lowercase hex digits")
    if type(phase) is not int or not 0 <= phase <= MAX_PHASE:
        raise InvalidEvent("phase", phase, f"give a whole number from 0 to {MAX_PHASE}")
    if type(cap) not in (int, float) or not 0 < cap <= MAX_VALUE:
        raise InvalidEvent("cap", cap, f"give a number above 0, at most {MAX_VALUE:g}")
    if not isinstance(arm, str) or not _VERSION.fullmatch(arm):
        raise InvalidEvent("arm", arm, "give the name of a version, as Kubernetes has it")
    return Exposure(experiment, phase, arm, float(cap))
