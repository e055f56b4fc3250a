"""Impressions of a holdout's measure count as an experiment, beside the one of versions."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.events import Erasure, Event, Exposure
from recommender_collector.domain.file_rows import archive_line
from recommender_collector.domain.lines import entry_of, line_of
from recommender_collector.domain.store_updates import number
from recommender_collector.domain.validation import event_of
from recommender_collector.experiments.experiment import (
    ExperimentChanges,
    Ignored,
    KnownUsers,
    Spans,
)
from recommender_collector.experiments.experiment_accumulator import ExperimentAccumulator
from recommender_collector.experiments.moments import COMPONENTS, DAY_COMPONENTS, Moments
from recommender_collector.experiments.phase_exposure import PhaseExposure
from recommender_collector.experiments.subject import Subject
from recommender_contract.events import HELD, OTHERS, Kind
from tests.unit.recommender_collector.collector_samples import NOW, click, rules
from tests.unit.recommender_collector.experiments.memory_experiments import Memory

AT, MINUTE = 1_795_000_000_000, 60_000
SPANS = Spans(window=60 * MINUTE, late=130 * MINUTE)
MEASURE, EXPERIMENT = "5c0ffee5", "0a1b2c3d"
HOLDOUT = {"id": MEASURE, "group": HELD, "cap": 500}
SHOWN = {"id": "e1", "kind": "impression", "user": "ada", "items": ["tea"], "holdout": HOLDOUT}


def impression(user: str, group: str | None, arm: str | None = None, **more: Any) -> Event:
    measured = None if group is None else Exposure(MEASURE, 0, group, 500.0)
    exposure = None if arm is None else Exposure(EXPERIMENT, 3, arm, 100.0)
    return Event(
        f"{user}-i", Kind.IMPRESSION, user, ("tea",), AT, version="shop-1", exposure=exposure,
        holdout=measured, **more,
    )  # fmt: skip


def clicked(user: str, after: int = MINUTE) -> Event:
    return Event(f"{user}-c{after}", Kind.CLICK, user, ("tea",), AT + after)


def booked(*entries: Event) -> ExperimentChanges:
    accumulator = ExperimentAccumulator({}, AT + 5 * MINUTE, SPANS)
    assert accumulator.concerned(entries)
    accumulator.apply(entries, KnownUsers())
    accumulator.recount({})
    return accumulator.finish({}, {}, {}, {})


def told(changes: ExperimentChanges, key: tuple[str, int, str]) -> Any:
    """What the operator reads of an arm."""
    return changes.moments[key].shown(key[2])


def test_the_group_of_a_user_is_kept() -> None:
    event = event_of(SHOWN, rules(), NOW)
    assert event.holdout == Exposure(MEASURE, 0, HELD, 500.0)
    assert event.exposure is None
    assert event_of({**SHOWN, "holdout": None}, rules(), NOW).holdout is None
    # An answer without items is one that the user got.
    assert event_of({**SHOWN, "items": []}, rules(), NOW).items == ()


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        ("holdout", {**SHOWN, "holdout": True}),
        ("holdout", {**SHOWN, "holdout": {}}),
        ("holdout", {**SHOWN, "holdout": {**HOLDOUT, "phase": 0}}),
        ("holdout", click(holdout=HOLDOUT)),
        ("holdout.id", {**SHOWN, "holdout": {**HOLDOUT, "id": "5C0FFEE5"}}),
        ("holdout.group", {**SHOWN, "holdout": {**HOLDOUT, "group": "shop-1"}}),
        ("holdout.group", {**SHOWN, "holdout": {**HOLDOUT, "group": ["holdout"]}}),
        ("holdout.cap", {**SHOWN, "holdout": {**HOLDOUT, "cap": 0}}),
        ("holdout.cap", {**SHOWN, "holdout": {**HOLDOUT, "cap": True}}),
    ],
)
def test_a_wrong_group_names_the_part_the_value_and_the_remedy(
    field: str, raw: dict[str, Any]
) -> None:
    with pytest.raises(InvalidEvent) as caught:
        event_of(raw, rules(), NOW)
    assert caught.value.field == field
    assert len(str(caught.value).partition("; ")[2]) > 10


@pytest.mark.parametrize("arm", [None, "shop-1"])
def test_the_log_and_the_archive_have_the_group(arm: str | None) -> None:
    event = impression("ada", OTHERS, arm)
    assert entry_of(line_of(event)) == event
    row = orjson.loads(archive_line(event))
    assert row["holdout"] == {"id": MEASURE, "group": OTHERS, "cap": 500.0}
    assert row.get("experiment") == (None if arm is None else EXPERIMENT)


def test_a_user_counts_in_the_measure_and_in_the_experiment() -> None:
    found = booked(
        impression("ada", OTHERS, "shop-1"), impression("bob", HELD), impression("eve", None),
        clicked("ada"), clicked("bob"),
    )  # fmt: skip
    users = {key: moments.users for key, moments in found.moments.items() if " " not in key[2]}
    assert users == {
        (MEASURE, 0, OTHERS): 1, (MEASURE, 0, HELD): 1, (EXPERIMENT, 3, "shop-1"): 1,
    }  # fmt: skip
    assert {told(found, key)["sums"]["clicks"] for key in users} == {1}


def test_a_group_is_no_version_that_could_disagree() -> None:
    found = booked(impression("ada", HELD, "shop-2"))
    assert told(found, (MEASURE, 0, HELD))["disagreed"] == 0
    assert told(found, (EXPERIMENT, 3, "shop-2"))["disagreed"] == 1


def test_acts_of_users_outside_of_the_groups_do_not_wait_in_the_store() -> None:
    """Most users of a measure are in no group, and would fill the store."""
    found = booked(impression("ada", HELD), clicked("eve"))
    assert found.early.get(number("eve")) is None
    found = booked(impression("ada", None, "shop-1"), clicked("eve"))
    assert found.early.get(number("eve")) is not None


def test_acts_of_users_of_the_holdout_do_not_wait_for_an_experiment() -> None:
    """They get no exposure in it."""
    found = booked(
        impression("ada", HELD), impression("bob", OTHERS), impression("eve", None, "shop-1"),
        clicked("ada"), clicked("bob"),
    )  # fmt: skip
    assert found.early.keys() == {number("bob")}


def measured(memory: Memory, user: str, group: str = HELD) -> Ignored | None:
    """Let a new user in; return why it does not count."""
    memory.ignored.clear()
    memory.apply(AT, impression(user, group))
    return next(iter(memory.ignored), None)


def test_a_measure_takes_no_users_in_a_store_that_has_memory_for_experiments_alone() -> None:
    memory = Memory()
    assert measured(memory, "ada") is None
    memory.tight = True
    assert measured(memory, "bob") is Ignored.MEMORY
    assert measured(memory, "ada") is None
    memory.ignored.clear()
    memory.apply(AT, impression("bob", None, "shop-1"))
    assert not memory.ignored


@pytest.mark.parametrize(("first", "foreign"), [(HELD, "shop-1"), ("shop-1", HELD)])
def test_a_measure_and_an_experiment_do_not_take_the_arms_of_the_other(
    first: str, foreign: str
) -> None:
    """A made-up impression must not make a measure of an experiment, or the reverse."""
    memory = Memory()
    for user, arm in (("ada", first), ("bob", foreign), ("eve", first)):
        memory.apply(
            AT, impression(user, None)._replace(exposure=Exposure(MEASURE, 0, arm, 500.0))
        )
    assert memory.experiments[MEASURE].arms == [first]
    assert memory.experiments[MEASURE].is_measure is (first == HELD)
    assert memory.ignored == {Ignored.ARMS: 1}
    assert Moments.decode(memory.moments[MEASURE, 0, first]).users == 2


@given(st.integers(1, 30_000), st.integers(0, 3000))
@example(13_500, 675)
def test_in_a_measure_of_months_clicks_stop_where_the_answers_stop(
    answers: int, clicks: int
) -> None:
    phase_exposure = PhaseExposure(0, AT, AT, 500, answers=answers, arms={0: [AT, 0]})
    totals = [clicks, 0, 0, 0, 0]
    share = phase_exposure.user_moments(totals, [0] * 5, 0, [HELD], [], measured=True)
    vector = dict(zip(COMPONENTS, share.vector, strict=True))
    assert vector["answers"] == min(answers, 10_000)
    exact = clicks * vector["answers"] / answers
    assert abs(vector["clicks"] - exact) <= 0.5
    days = dict(zip(DAY_COMPONENTS, share.cells[0][1], strict=True))
    assert days["later.clicks"] == vector["clicks"]


def test_a_user_of_a_measure_counts_with_the_limits_of_months() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada", HELD))
    (text,) = memory.users.values()
    own = Subject.decode(text)
    own.exposures[0].answers = 1350
    memory.users[MEASURE, number("ada")] = own.encode()
    memory.moments[MEASURE, 0, HELD] = Moments().encode()
    memory.moments[MEASURE, 0, f"{HELD} days"] = Moments.empty(len(DAY_COMPONENTS)).encode()
    memory.apply(AT + 1, Erasure("ada"))
    gone = Moments.decode(memory.moments[MEASURE, 0, HELD])
    assert dict(zip(COMPONENTS, gone.sums, strict=True))["answers"] == -1350
