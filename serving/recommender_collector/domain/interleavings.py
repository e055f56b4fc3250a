"""Interleaved lists of impressions, as a request gives them: pure.

An interleaving is counted as an experiment of one phase and one arm, beside that of versions.
"""

from __future__ import annotations

import re
from typing import Any

from recommender_collector.domain.checks import InvalidEvent, is_arm, is_experiment
from recommender_collector.domain.events import Interleaved, part_of_impression
from recommender_contract.events import Kind

FIELD = "interleaved"
_TEAMS = re.compile(r"[AB-]*")


def interleaved_of(value: object, kind: Kind, items: int) -> Interleaved | None:
    """Return the interleaving of an impression of so many items; None if of one version.

    Raises:
        InvalidEvent: a part is wrong or missing, or the event is no impression.
    """
    part: Any = part_of_impression(FIELD, value, kind, Interleaved._fields)
    if part is None:
        return None
    if not is_experiment(part["id"]):
        raise InvalidEvent(f"{FIELD}.id", part["id"], "give 8 lowercase hex digits")
    if not is_arm(part["candidate"]):
        remedy = "give the name of a version: 1 to 80 of a-z, 0-9 and -"
        raise InvalidEvent(f"{FIELD}.candidate", part["candidate"], remedy)
    if not is_teams(part["teams"], items):
        remedy = f"give A, B or - for each of the {items} items"
        raise InvalidEvent(f"{FIELD}.teams", part["teams"], remedy)
    return Interleaved(part["id"], part["candidate"], part["teams"])


def is_teams(value: object, items: int) -> bool:
    """Return whether a value has a letter for each of so many items."""
    return isinstance(value, str) and len(value) == items and bool(_TEAMS.fullmatch(value))
