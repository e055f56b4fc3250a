"""How many experiments, arms and users there may be, and which of them make room."""

from __future__ import annotations

import pytest

from recommender_collector.domain.events import Erasure
from recommender_collector.experiments.experiment import (
    CLOSE_SECONDS,
    KEEP_SECONDS,
    MOST_ARMS,
    MOST_EXPERIMENTS,
    MOST_MEASURES,
    Ignored,
)
from recommender_collector.experiments.registry import FEW_USERS, IDLE_MILLISECONDS, has_room
from recommender_contract.events import Kind
from tests.experiment_events import act, impression
from tests.unit.recommender_collector.experiments.memory_experiments import (
    AT,
    FIRST,
    SPANS,
    Memory,
)

NAMES = [f"{index:08x}" for index in range(MOST_EXPERIMENTS)]
REAL, MEASURE = "ffffffff", "5c0ffee5"


def occupied(users: int) -> Memory:
    """All places taken; the first experiment has one user less than the others."""
    memory = Memory()
    for index, name in enumerate(NAMES):
        memory.apply(
            AT + index, *(impression(f"u{n}", AT, name) for n in range(users + (index > 0)))
        )
    return memory


def test_a_fifth_experiment_replaces_the_one_that_is_over_for_longest() -> None:
    memory = occupied(FEW_USERS)
    over = AT + 1 + SPANS.open
    memory.apply(over, impression("ada", over, REAL))
    assert list(memory.experiments) == [*NAMES[1:], REAL]
    assert not memory.answer(NAMES[0])
    assert all(key[0] != NAMES[0] for key in memory.users)


def test_made_up_experiments_do_not_keep_out_another_one() -> None:
    memory = occupied(users=1)
    memory.apply(AT + 9, impression("ada", AT, REAL), act(Kind.CLICK, "ada", AT + 9))
    assert list(memory.experiments) == [*NAMES[1:], REAL]
    assert memory.answer(REAL)[0]["arms"][0]["sums"]["clicks"] == 1
    assert not memory.answer(NAMES[0])
    assert not memory.ignored


def test_a_made_up_experiment_does_not_push_out_one_with_users() -> None:
    memory = occupied(FEW_USERS)
    memory.apply(AT + 9, impression("ada", AT, REAL))
    assert (list(memory.experiments), memory.ignored) == (NAMES, {Ignored.EXPERIMENTS: 1})
    assert not has_room(memory.experiments, AT + 9, SPANS)
    idle = AT + IDLE_MILLISECONDS + 1
    assert has_room(memory.experiments, idle, SPANS)
    memory.apply(idle, impression("ada", idle, REAL))
    assert list(memory.experiments) == [*NAMES[1:], REAL]


def test_of_idle_experiments_one_makes_room_also_beside_a_smaller_one_that_gets_users() -> None:
    memory = occupied(FEW_USERS)
    later = AT + IDLE_MILLISECONDS + 9
    memory.apply(later, impression("u0", later, NAMES[0]))
    memory.apply(later, impression("ada", later, REAL))
    assert list(memory.experiments) == [NAMES[0], *NAMES[2:], REAL]


def test_a_measure_and_an_experiment_that_begin_at_once_do_not_displace_each_other() -> None:
    memory = Memory()
    for index, name in enumerate(NAMES[1:]):
        memory.apply(AT + index, *(impression(f"u{n}", AT, name) for n in range(FEW_USERS)))
    for turn in range(3):
        memory.apply(
            AT + 9 + turn,
            impression(f"a{turn}", AT, REAL),
            impression(f"b{turn}", AT, MEASURE, arm="holdout"),
        )
    assert {*memory.experiments} == {*NAMES[1:], REAL, MEASURE}
    assert (memory.experiments[REAL].users, memory.experiments[MEASURE].users) == (3, 3)
    assert not memory.ignored


def test_measures_make_room_for_each_other_and_for_no_experiment() -> None:
    memory = occupied(FEW_USERS)
    measures = [f"eeeeeee{index}" for index in range(MOST_MEASURES)]
    for index, name in enumerate(measures):
        memory.apply(AT + 9 + index, impression("ada", AT, name, arm="others"))
    memory.apply(AT + 19, impression("ada", AT, MEASURE, arm="holdout"))
    assert list(memory.experiments) == [*NAMES, *measures[1:], MEASURE]
    memory.apply(AT + 29, impression("ada", AT, REAL))
    assert memory.ignored == {Ignored.EXPERIMENTS: 1}
    full = memory.experiments
    assert not has_room(full, AT + 29, SPANS)
    assert has_room(full, AT + 29, SPANS, is_measure=True)
    for name in [*measures[1:], MEASURE]:
        full[name].users = FEW_USERS
    assert not has_room(full, AT + 29, SPANS, is_measure=True)


def test_experiments_that_replace_each_other_in_one_record_leave_nothing() -> None:
    memory = occupied(users=1)
    names = [f"{n:08x}" for n in range(100, 120)]
    memory.apply(AT + 9, *(impression("ada", AT, name) for name in names))
    left = {name for name, _ in memory.users}
    assert left == set(memory.experiments)
    assert {name for name, *_ in memory.moments} == left == {name for name, _ in memory.since}


def test_an_idle_experiment_keeps_its_moments_and_not_its_users() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada", AT))
    before = memory.answer()
    later = AT + CLOSE_SECONDS * 1000 + 1
    memory.apply(later, act(Kind.CLICK, "eve", later))
    assert (memory.answer(), memory.users) == (before, {})
    memory.apply(later, impression("ada", later), Erasure("ada"))
    assert (memory.answer(), memory.ignored) == (before, {Ignored.CLOSED: 1})


def test_without_memory_for_more_users_those_that_are_there_still_count() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada", AT))
    memory.full = True
    memory.apply(AT, impression("ada", AT), impression("eve", AT), impression("eve", AT, REAL))
    assert (memory.sums()["users"], memory.sums()["answers"]) == (1, 2)
    assert (memory.ignored, list(memory.experiments)) == ({Ignored.MEMORY: 2}, [FIRST])


def test_a_seventh_arm_is_left_out() -> None:
    memory = Memory()
    users = [impression(f"u{n}", AT, arm=f"shop-{n}") for n in range(MOST_ARMS + 1)]
    memory.apply(AT, *users)
    (phase,) = memory.answer()
    assert len(phase["arms"]) == MOST_ARMS
    assert memory.ignored == {Ignored.ARMS: 1}


def test_users_beyond_the_bound_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recommender_collector.experiments.experiment_accumulator.MOST_USERS", 2)
    memory = Memory()
    memory.apply(AT, *(impression(f"u{n}", AT) for n in range(4)))
    memory.apply(AT, impression("u0", AT))
    assert (memory.sums()["users"], memory.ignored) == (2, {Ignored.USERS: 2})


def test_an_old_experiment_is_forgotten_with_its_users() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada", AT))
    later = AT + KEEP_SECONDS * 1000 + 1
    memory.apply(later, act(Kind.CLICK, "eve", later))
    assert (memory.experiments, memory.users, memory.moments) == ({}, {}, {})
