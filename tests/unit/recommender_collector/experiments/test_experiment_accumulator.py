"""Experiments: the moments are those of the definition, whatever the order of events."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain.events import Erasure, Event
from recommender_collector.domain.store_updates import number
from recommender_collector.experiments.experiment import Spans
from recommender_collector.experiments.experiment_accumulator import ExperimentAccumulator
from recommender_collector.experiments.phase_exposure import MOST_OPEN
from recommender_collector.experiments.subject import Subject
from recommender_contract.events import Kind
from tests.experiment_events import EXPERIMENTS, MINUTE, act, impression, log
from tests.experiment_oracle import answer, expected, present
from tests.unit.recommender_collector.experiments.memory_experiments import (
    AT,
    EVENING,
    FIRST,
    HOUR,
    SPANS,
    VALUES,
    Memory,
)

SEEDS, COUNTS = st.integers(0, 2**32), st.integers(0, 80)


@given(seed=SEEDS, count=COUNTS)
def test_moments_are_those_of_the_definition_whatever_is_late(seed: int, count: int) -> None:
    memory = Memory()
    records = log(seed, count, EVENING)
    for record in records:
        memory.apply(record[-1][0], *(entry for _, entry in record))
    entries = [entry for record in records for _, entry in record]
    for name in EXPERIMENTS:
        phase = seed % 3
        wanted = answer(expected(entries, name, SPANS.window, VALUES), phase)
        assert memory.answer(name, phase) == present(wanted)


@given(seed=SEEDS, count=COUNTS)
def test_moments_do_not_depend_on_the_order_of_records(seed: int, count: int) -> None:
    choice = random.Random(seed)
    records = log(seed, count, EVENING)
    events = [[e for _, e in record if isinstance(e, Event)] for record in records]
    spans = Spans(HOUR, 24 * HOUR)
    answers = []
    for _ in range(2):
        memory = Memory(spans)
        memory.apply(EVENING, *events[0])
        rest = events[1:]
        choice.shuffle(rest)
        for record in rest:
            memory.apply(EVENING + 12 * HOUR, *choice.sample(record, len(record)))
        answers.append([memory.answer(name, phase) for name in EXPERIMENTS for phase in range(3)])
    assert answers[0] == answers[1]


def test_an_erased_user_leaves_the_moments() -> None:
    memory = Memory()
    memory.apply(AT, impression("eve", AT))
    before = memory.answer()
    memory.apply(AT + 1, impression("ada", AT), act(Kind.PURCHASE, "ada", AT + 1))
    assert memory.answer() != before
    memory.apply(AT + 2, Erasure("ada"))
    assert memory.answer() == before
    assert (FIRST, number("ada")) not in memory.users


def test_a_user_who_is_erased_at_once_does_not_change_the_start_of_a_phase() -> None:
    memory = Memory()
    memory.apply(AT, impression("eve", AT))
    memory.apply(AT + 9, impression("ada", AT + 9), Erasure("ada"))
    assert memory.answer()[0]["since"] == AT / 1000


def test_a_user_of_two_arms_counts_in_neither() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada", AT, arm="shop-b"), impression("ada", AT + 1))
    (phase,) = memory.answer()
    (arm,) = phase["arms"]
    assert (arm["arm"], arm["users"], arm["mixed"], arm["sums"]) == ("shop-b", 0, 1, {})


@pytest.mark.parametrize(
    ("kind", "most"), [(Kind.CLICK, 1000), (Kind.PURCHASE, 100), (Kind.DISLIKE, 100)]
)
def test_one_user_with_very_many_events_cannot_decide(kind: Kind, most: int) -> None:
    memory = Memory()
    memory.apply(AT, impression("bot", AT, cap=50))
    for _ in range(15):
        memory.apply(AT + 1, *(act(kind, "bot", AT + 1) for _ in range(100)))
    assert max(memory.sums().values()) == most
    if kind is Kind.PURCHASE:
        assert memory.sums()["revenue"] == 50
    (text,) = memory.users.values()
    assert len(Subject.decode(text).acts) == MOST_OPEN


def test_acts_before_the_first_exposure_wait_for_it() -> None:
    memory = Memory()
    memory.apply(AT, impression("eve", AT))
    memory.apply(AT + 9, act(Kind.CLICK, "ada", AT + 8))
    assert memory.early[number("ada")]
    memory.apply(AT + 10, impression("ada", AT + 7))
    assert memory.sums()["clicks"] == 1


def test_what_is_too_far_from_an_exposure_does_not_count() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada", AT), act(Kind.CLICK, "ada", AT + HOUR))
    memory.apply(AT, act(Kind.CLICK, "ada", AT + HOUR + 1), act(Kind.CLICK, "ada", AT - 1))
    assert memory.sums()["clicks"] == 1


def test_acts_count_for_the_phase_of_the_latest_exposure_also_when_a_phase_comes_again() -> None:
    memory = Memory()
    memory.apply(AT, impression("ada", AT, phase=0), act(Kind.CLICK, "ada", AT + 1))
    second, third = AT + 10 * MINUTE, AT + 50 * MINUTE
    memory.apply(second, impression("ada", second, phase=1), act(Kind.CLICK, "ada", second + 1))
    memory.apply(third, impression("ada", third, phase=0))
    memory.apply(third, *(act(Kind.CLICK, "ada", third + n) for n in range(3)))
    assert [memory.sums(phase=n)["clicks"] for n in (0, 1)] == [4, 1]


def test_a_short_visit_to_another_phase_counts_there() -> None:
    memory = Memory()
    visit = AT + 10 * MINUTE
    times = (AT, visit, visit + 5 * MINUTE)
    memory.apply(AT, *(impression("ada", at, phase=n % 2) for n, at in enumerate(times)))
    memory.apply(AT, act(Kind.CLICK, "ada", visit), act(Kind.CLICK, "ada", times[-1] + 1))
    assert [memory.sums(phase=n)["clicks"] for n in (0, 1)] == [1, 1]


def test_what_a_user_does_later_does_not_lower_what_was_before() -> None:
    memory = Memory()
    memory.apply(AT, impression("eve", AT))
    memory.apply(AT, *(act(Kind.CLICK, "ada", AT + n * 1000) for n in range(5)))
    first = AT + 10_000
    memory.apply(first, impression("ada", first))
    assert memory.sums()["before"] == 5
    # The store keeps the newest; two later ones have pushed out all that was before.
    memory.recent[number("ada")] = {"a": first + 1, "b": first + 2}
    memory.apply(first + 3, act(Kind.CLICK, "ada", AT + 7000))
    assert memory.sums()["before"] == 5
    earlier = AT + 2500
    memory.apply(first + 4, impression("ada", earlier))
    assert "before" not in memory.sums()


def test_events_of_a_model_without_experiments_change_nothing() -> None:
    accumulator = ExperimentAccumulator({}, AT, SPANS)
    assert not accumulator.concerned([act(Kind.CLICK, "ada", AT), Erasure("ada")])
