"""Transition times and order of conditions."""

from __future__ import annotations

import datetime

from recommender_operator.api.conditions import MAX_MESSAGE, ConditionType, find, put
from recommender_operator.api.status import Condition

NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
LATER = NOON + datetime.timedelta(hours=1)


def first() -> tuple[Condition, ...]:
    return put((), None, ConditionType.READY, "False", "A", "a", generation=1, now=NOON)


def test_the_transition_time_stays_while_the_status_stays() -> None:
    old = find(first(), "Ready")
    new = put(first(), old, ConditionType.READY, "False", "B", "b", generation=2, now=LATER)
    assert len(new) == 1
    assert (new[0].reason, new[0].observed_generation) == ("B", 2)
    assert new[0].last_transition_time == NOON


def test_the_transition_time_moves_when_the_status_flips() -> None:
    old = find(first(), "Ready")
    new = put(first(), old, ConditionType.READY, "True", "B", "b", generation=1, now=LATER)
    assert new[0].last_transition_time == LATER


def test_conditions_keep_the_order_of_their_table() -> None:
    some: tuple[Condition, ...] = ()
    for kind in (ConditionType.LOCKED, ConditionType.READY, ConditionType.TRAINED):
        some = put(some, None, kind, "True", "A", "a", generation=1, now=NOON)
    assert [c.type for c in some] == ["Ready", "Trained", "Locked"]


def test_the_length_of_a_message_is_limited() -> None:
    (one,) = put((), None, ConditionType.READY, "True", "A", "x" * 9999, generation=1, now=NOON)
    assert len(one.message) == MAX_MESSAGE
