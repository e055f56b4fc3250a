"""The fields that only an impression has, as a request gives them: pure.

They say in which experiments its user is, how its list was made, and how it was served. The
measure of a holdout, whose arms are its two groups, and an interleaving, of one phase and one arm,
are counted as experiments too, beside the one of versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recommender_collector.domain.checks import (
    MAX_PHASE,
    MAX_VALUE,
    InvalidEvent,
    is_arm,
    is_cap,
    is_duration,
    is_experiment,
    is_part,
    is_phase,
    is_probability,
    is_teams,
    is_threshold,
    segments_of,
)
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import (
    GROUPS,
    Explored,
    Exposure,
    Id,
    Interleaved,
    Served,
)
from recommender_contract.events import (
    MAX_MILLISECONDS,
    MAX_PROBABILITIES,
    MAX_SLOWER_THAN,
    Kind,
)

HOLDOUT, INTERLEAVED, EXPLORED = "holdout", "interleaved", "explored"
PROBABILITIES, LABEL_SEGMENTS = "probabilities", "labelSegments"
SERVED, OF_GROUP = "served", "ofGroup"
PHASE = 0  # the only one of a holdout's measure
EXPOSURE_FIELDS = Exposure._fields
_EXPOSURE_NAMES = frozenset(EXPOSURE_FIELDS)
_EXPOSURE_REQUIRED = EXPOSURE_FIELDS[:4]
_EXPOSURE_CHECKS = (
    (is_experiment, "give 8 lowercase hex digits"),
    (is_phase, f"give a whole number from 0 to {MAX_PHASE}"),
    (is_arm, "give the name of a version: 1 to 80 of a-z, 0-9 and -"),
    (is_cap, f"give a number above 0, at most {MAX_VALUE:g}"),
)
MIN_POOL, MAX_POOL = 2, 20  # items
_SERVED_NAMES = ("milliseconds", "slowerThan", "failed")


def exposure_of(raw: Mapping[str, Any], kind: Kind) -> Exposure | None:
    """Return the exposure of an impression; None outside experiments.

    Raises:
        InvalidEvent: a field is wrong or missing, or the event is no impression.
    """
    if _EXPOSURE_NAMES.isdisjoint(raw):
        return None
    given = {name: raw[name] for name in EXPOSURE_FIELDS if raw.get(name) is not None}
    if not given:
        return None
    if kind is not Kind.IMPRESSION:
        name = next(iter(given))
        raise InvalidEvent(
            name, given[name], f"only an impression has it: leave it out of a {kind}"
        )
    for name in _EXPOSURE_REQUIRED:
        if name not in given:
            raise InvalidEvent(name, None, f"give all of {', '.join(_EXPOSURE_REQUIRED)}, or none")
    for name, (is_valid, remedy) in zip(_EXPOSURE_REQUIRED, _EXPOSURE_CHECKS, strict=True):
        if not is_valid(given[name]):
            raise InvalidEvent(name, given[name], remedy)
    try:
        segments = segments_of(given.get("segments", {}))
    except ValueError as error:
        raise InvalidEvent("segments", given["segments"], str(error)) from None
    return Exposure(
        given["experiment"], given["phase"], given["arm"], float(given["cap"]), segments
    )


def _is_group(value: object) -> bool:
    return isinstance(value, str) and value in GROUPS


_GROUP_CHECKS = (
    ("id", is_experiment, "give 8 lowercase hex digits"),
    ("group", _is_group, "give holdout or others"),
    ("cap", is_cap, f"give a number above 0, at most {MAX_VALUE:g}"),
)
_GROUP_NAMES = tuple(name for name, _, _ in _GROUP_CHECKS)


def group_of(value: object, kind: Kind) -> Exposure | None:
    """Return the exposure of an impression in a measure; None outside of one.

    Raises:
        InvalidEvent: a part is wrong or missing, or the event is no impression.
    """
    part: Any = _part_of_impression(HOLDOUT, value, kind, _GROUP_NAMES)
    if part is None:
        return None
    for name, is_valid, remedy in _GROUP_CHECKS:
        if not is_valid(part[name]):
            raise InvalidEvent(f"{HOLDOUT}.{name}", part[name], remedy)
    return Exposure(part["id"], PHASE, part["group"], float(part["cap"]))


def archived_group(of: Exposure) -> dict[str, object]:
    """Return the field of a request that gives an exposure."""
    return {"id": of.experiment, "group": of.arm, "cap": of.cap}


def interleaved_of(value: object, kind: Kind, items: int) -> Interleaved | None:
    """Return the interleaving of an impression of so many items; None if of one version.

    Raises:
        InvalidEvent: a part is wrong or missing, or the event is no impression.
    """
    part: Any = _part_of_impression(INTERLEAVED, value, kind, Interleaved._fields)
    if part is None:
        return None
    if not is_experiment(part["id"]):
        raise InvalidEvent(f"{INTERLEAVED}.id", part["id"], "give 8 lowercase hex digits")
    if not is_arm(part["candidate"]):
        remedy = "give the name of a version: 1 to 80 of a-z, 0-9 and -"
        raise InvalidEvent(f"{INTERLEAVED}.candidate", part["candidate"], remedy)
    if not is_teams(part["teams"], items):
        remedy = f"give A, B or - for each of the {items} items"
        raise InvalidEvent(f"{INTERLEAVED}.teams", part["teams"], remedy)
    return Interleaved(part["id"], part["candidate"], part["teams"])


def explored_of(
    value: object, kind: Kind, items: Sequence[Id], id_of: Callable[[str, object], Id]
) -> Explored | None:
    """Return the exploration of an impression; None if it did not explore.

    `id_of` returns the valid id of an item, of the named field.

    Raises:
        InvalidEvent: a part is wrong or missing, or the event is no impression.
    """
    part = _part_of_impression(EXPLORED, value, kind, Explored._fields)
    if part is None:
        return None
    place, given = part["place"], part["pool"]
    if type(place) is not int or not 0 <= place < len(items):
        raise InvalidEvent(
            f"{EXPLORED}.place", place, f"give the place of one of the {len(items)} items, from 0"
        )
    if not isinstance(given, list) or not MIN_POOL <= len(given) <= MAX_POOL:
        raise InvalidEvent(
            f"{EXPLORED}.pool", given, f"give a list of {MIN_POOL} to {MAX_POOL} item ids"
        )
    pool = tuple(id_of(f"{EXPLORED}.pool[{index}]", each) for index, each in enumerate(given))
    others = {*items[:place], *items[place + 1 :]}
    if len(set(pool)) < len(pool) or items[place] not in pool or not others.isdisjoint(pool):
        raise InvalidEvent(
            f"{EXPLORED}.pool",
            given,
            "give different items, among them the one at the place, and none of another place",
        )
    return Explored(place, pool)


def probabilities_of(
    value: object, kind: Kind, items: int, model: Model
) -> tuple[float, ...] | None:
    """Return the probabilities of the first items; None if nothing is compared with them.

    They are checked and dropped if the events do not show the declared label: the log would grow
    for nothing.

    Raises:
        InvalidEvent: a probability is wrong, there are too many, or the event is no impression.
    """
    if value is None:
        return None
    if kind is not Kind.IMPRESSION:
        raise InvalidEvent(
            PROBABILITIES, value, f"only an impression has them: leave them out of a {kind}"
        )
    most = min(items, MAX_PROBABILITIES)
    if not isinstance(value, list) or len(value) > most or not all(map(is_probability, value)):
        raise InvalidEvent(
            PROBABILITIES, value, f"give numbers from 0 to 1 for the first {most} items"
        )
    return tuple(map(float, value)) if value and model.outcome is not None else None


def label_segments_of(
    value: object, kind: Kind, model: Model
) -> tuple[tuple[str, str], ...] | None:
    """Return the declared features with their values, sorted; None if nothing is divided by them.

    They are checked and dropped if the events do not show the declared label. Features without
    `fairness` are dropped too: the log keeps nothing of a user that nobody asked for.

    Raises:
        InvalidEvent: they are no short texts, too many, or the event is no impression.
    """
    if value is None:
        return None
    if kind is not Kind.IMPRESSION:
        raise InvalidEvent(
            LABEL_SEGMENTS, value, f"only an impression has them: leave them out of a {kind}"
        )
    try:
        found = segments_of(value)
    except ValueError as error:
        raise InvalidEvent(LABEL_SEGMENTS, value, str(error)) from None
    if model.outcome is None:
        return None
    return tuple(each for each in found if each[0] in model.told_segments) or None


def served_of(value: object, kind: Kind, exposure: Exposure | None) -> Served | None:
    """Return the serving outcome of an impression; None if it has none.

    Raises:
        InvalidEvent: a part is wrong or missing, or the event is no impression of an experiment.
    """
    part: Any = _part_of_impression(SERVED, value, kind, _SERVED_NAMES)
    if part is None:
        return None
    _check_experiment(SERVED, value, exposure)
    milliseconds, slower_than, failed = (part[name] for name in _SERVED_NAMES)
    if not is_duration(milliseconds):
        remedy = f"give a number from 0 to {MAX_MILLISECONDS}"
        raise InvalidEvent(f"{SERVED}.milliseconds", milliseconds, remedy)
    if not is_threshold(slower_than):
        remedy = f"give a whole number from 1 to {MAX_SLOWER_THAN}"
        raise InvalidEvent(f"{SERVED}.slowerThan", slower_than, remedy)
    if not isinstance(failed, bool):
        raise InvalidEvent(f"{SERVED}.failed", failed, "give true or false")
    return Served(milliseconds, slower_than, failed)


def of_group_of(value: object, items: int, exposure: Exposure | None) -> int | None:
    """Return how many of the items of an impression are of the group; None if it does not say.

    Raises:
        InvalidEvent: it is no such number, or the event is no impression of an experiment.
    """
    if value is None:
        return None
    _check_experiment(OF_GROUP, value, exposure)
    if not is_part(value, items):
        raise InvalidEvent(OF_GROUP, value, f"give a whole number from 0 to {items}")
    return value  # type: ignore[return-value]


def archived_outcome(of: Served) -> dict[str, object]:
    """Return the field of a request that gives it."""
    return dict(zip(_SERVED_NAMES, of, strict=True))


def _check_experiment(field: str, value: object, exposure: Exposure | None) -> None:
    if exposure is None:
        raise InvalidEvent(field, value, "only an impression with experiment has it: leave it out")


def _part_of_impression(
    field: str, value: object, kind: Kind, names: tuple[str, ...]
) -> dict[str, object] | None:
    """Return an object that only an impression has, with exactly these names; None without one.

    Raises:
        InvalidEvent: it has other names or is no object, or the event is no impression.
    """
    if value is None:
        return None
    if kind is not Kind.IMPRESSION:
        raise InvalidEvent(field, value, f"only an impression has it: leave it out of a {kind}")
    if not isinstance(value, dict) or value.keys() != set(names):
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        raise InvalidEvent(field, value, f"give an object of {listed}")
    return value
