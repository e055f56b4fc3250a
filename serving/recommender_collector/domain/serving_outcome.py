"""How a request of an experiment was served, as an impression gives it: pure."""

from __future__ import annotations

from typing import Any

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.events import Exposure, Served, part_of_impression
from recommender_contract.events import MAX_MILLISECONDS, MAX_SLOWER_THAN, Kind

FIELD, GROUP_FIELD = "served", "ofGroup"
_NAMES = ("milliseconds", "slowerThan", "failed")


def served_of(value: object, kind: Kind, exposure: Exposure | None) -> Served | None:
    """Return the serving outcome of an impression; None if it has none.

    Raises:
        InvalidEvent: a part is wrong or missing, or the event is no impression of an experiment.
    """
    part: Any = part_of_impression(FIELD, value, kind, _NAMES)
    if part is None:
        return None
    _check_experiment(FIELD, value, exposure)
    milliseconds, slower_than, failed = (part[name] for name in _NAMES)
    if not is_duration(milliseconds):
        remedy = f"give a number from 0 to {MAX_MILLISECONDS}"
        raise InvalidEvent(f"{FIELD}.milliseconds", milliseconds, remedy)
    if not is_threshold(slower_than):
        remedy = f"give a whole number from 1 to {MAX_SLOWER_THAN}"
        raise InvalidEvent(f"{FIELD}.slowerThan", slower_than, remedy)
    if not isinstance(failed, bool):
        raise InvalidEvent(f"{FIELD}.failed", failed, "give true or false")
    return Served(milliseconds, slower_than, failed)


def of_group_of(value: object, items: int, exposure: Exposure | None) -> int | None:
    """Return how many of the items of an impression are of the group; None if it does not say.

    Raises:
        InvalidEvent: it is no such number, or the event is no impression of an experiment.
    """
    if value is None:
        return None
    _check_experiment(GROUP_FIELD, value, exposure)
    if not is_part(value, items):
        raise InvalidEvent(GROUP_FIELD, value, f"give a whole number from 0 to {items}")
    return value  # type: ignore[return-value]


def archived_outcome(of: Served) -> dict[str, object]:
    """Return the field of a request that gives it."""
    return dict(zip(_NAMES, of, strict=True))


def is_duration(value: object) -> bool:
    """Return whether a value is the time that a request took."""
    return type(value) in (int, float) and 0 <= value <= MAX_MILLISECONDS  # type: ignore[operator]


def is_threshold(value: object) -> bool:
    """Return whether a value is a time above which a request is slow."""
    return type(value) is int and 1 <= value <= MAX_SLOWER_THAN


def is_part(value: object, items: int) -> bool:
    """Return whether a value is the number of some of so many items."""
    return type(value) is int and 0 <= value <= items


def _check_experiment(field: str, value: object, exposure: Exposure | None) -> None:
    if exposure is None:
        raise InvalidEvent(field, value, "only an impression with experiment has it: leave it out")
