"""Experiments: the moments are those of the definition, whatever the order of events."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.api.experiments import shown
from recommender_collector.domain.books import Books
from recommender_collector.domain.checks import MAX_SEGMENTS
from recommender_collector.domain.effects import effects, number
from recommender_collector.domain.events import Erasure, Event, Kind
from recommender_collector.domain.experiments import (
    CLOSE_SECONDS,
    KEEP_SECONDS,
    MOST_ARMS,
    MOST_EXPERIMENTS,
    OTHER,
    Changes,
    Experiment,
    Ignored,
    Known,
    Spans,
    State,
)
from recommender_collector.domain.formats import Damaged
from recommender_collector.domain.moments import Moments
from recommender_collector.domain.participants import Participant
from recommender_collector.domain.roster import FEW_USERS, IDLE_MILLISECONDS, has_room
from recommender_collector.domain.stays import MOST_OPEN, Act
from recommender_collector.store.experiments import Account
from recommender_serving.store.layout import Set
from tests.experiment_events import EXPERIMENTS, MINUTE, act, impression, log
from tests.experiment_oracle import answer, expected, present

AT = 1_795_000_000_000
HOUR = 60 * MINUTE
VALUES = {Kind.CLICK: 3.0, Kind.PURCHASE: 5.0, Kind.DWELL: None}
#: Users drawn from here on have a first and a second day, in UTC.
EVENING = AT + 8 * HOUR
SPANS = Spans(window=HOUR, late=130 * MINUTE)
FIRST = EXPERIMENTS[0]
Key = TypeVar("Key", bound=tuple[Any, ...])
SEEDS, COUNTS = st.integers(0, 2**32), st.integers(0, 80)


class Memory:
    """A store in memory, which keeps users and moments in the form that Redis keeps."""

    def __init__(self, spans: Spans = SPANS) -> None:
        self.spans = spans
        self.experiments: dict[str, Experiment] = {}
        self.users: dict[tuple[str, int], bytes] = {}
        self.early: dict[int, list[Act]] = {}
        self.moments: dict[tuple[str, int, str], str] = {}
        self.since: dict[tuple[str, int], int] = {}
        self.recent: dict[int, dict[str, int]] = {}
        self.ignored: Counter[Ignored] = Counter()
        self.full = False

    def apply(self, at: int, *entries: Event | Erasure) -> None:
        books = Books(self.experiments, at, self.spans)
        if not books.concerned(entries):
            self._interact(entries)
            return
        names = books.reads(entries)
        users = {number(each.user) for each in entries}
        books.take(entries, self._known(names, users))
        oldest = self._interact(entries)
        recount = books.recount(oldest)
        interactions = {user: list(self.recent.get(user, {}).values()) for user in recount}
        known = {
            key: Moments.decode(text)
            for key, text in self.moments.items()
            if key[:2] in books.phases()
        }
        early = {user: self.early[user] for user in books.waiting() if user in self.early}
        since = {key: time for key, time in self.since.items() if key in books.phases()}
        self._write(books.finish(interactions, known, since, early))
        self.experiments = books.experiments
        for name, each in self.experiments.items():
            assert each.state is State.CLOSED or each.users == sum(
                n == name for n, _ in self.users
            )

    def _known(self, names: Sequence[str], users: set[int]) -> Known:
        return Known(
            {
                key: Participant.decode(text)
                for key, text in self.users.items()
                if key[0] in names and key[1] in users
            },
            self.full,
        )

    def _interact(self, entries: Sequence[Event | Erasure]) -> dict[int, int]:
        oldest: dict[int, int] = {}
        for entry in entries:
            if isinstance(entry, Erasure):
                self.recent.pop(number(entry.user), None)
                oldest.pop(number(entry.user), None)
                continue
            for each in effects(entry, VALUES):
                if each.set is Set.RECENT:
                    own = self.recent.setdefault(each.user, {})
                    own[each.member] = max(each.time, own.get(each.member, 0))
                    oldest[each.user] = min(each.time, oldest.get(each.user, each.time))
        return oldest

    def _write(self, changes: Changes) -> None:
        for name in changes.dropped | changes.damaged | changes.closed:
            self.users = _without(self.users, name)
        for name in changes.dropped | changes.damaged:
            self.moments = _without(self.moments, name)
            self.since = _without(self.since, name)
        for at, participant in changes.participants.items():
            self.users.pop(at, None)
            if participant is not None:
                self.users[at] = participant.encode()
        self.early |= changes.early
        self.moments |= {key: each.encode() for key, each in changes.moments.items()}
        self.since |= changes.since
        self.ignored += changes.ignored

    def answer(self, name: str = FIRST, detailed: int | None = None) -> list[dict[str, Any]]:
        moments: dict[int, dict[str, Moments]] = {}
        for (of, phase, cell), text in self.moments.items():
            if of == name:
                moments.setdefault(phase, {})[cell] = Moments.decode(text)
        since = {phase: time for (of, phase), time in self.since.items() if of == name}
        told = shown(name, self._account(name, since, moments), detailed)["phases"]
        assert isinstance(told, list)
        return present(told)

    def _account(
        self, name: str, since: dict[int, int], moments: dict[int, dict[str, Moments]]
    ) -> Account:
        segments = self.experiments[name].segments if name in self.experiments else {}
        return Account(0.0, since, moments, segments=segments)

    def sums(self, arm: str = "shop-a", phase: int = 0) -> dict[str, int]:
        (found,) = (
            each
            for of in self.answer()
            if of["phase"] == phase
            for each in of["arms"]
            if each["arm"] == arm
        )
        return {**found["sums"], "users": found["users"], "mixed": found["mixed"]}


def _without(found: dict[Key, Any], name: str) -> dict[Key, Any]:
    return {key: value for key, value in found.items() if key[0] != name}


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


def test_users_whom_an_earlier_release_kept_count_without_days_and_segments() -> None:
    memory, alone = Memory(), Memory()
    memory.apply(EVENING, impression("ada", EVENING))
    *own, _segments = orjson.loads(memory.users[FIRST, number("ada")])
    own[3] = [stay[:-2] for stay in own[3]]
    memory.users[FIRST, number("ada")] = orjson.dumps(own)
    memory.moments = {key: of for key, of in memory.moments.items() if not is_days(key[2])}
    entry = orjson.loads(memory.experiments[FIRST].encode())
    memory.experiments[FIRST] = Experiment.decode(orjson.dumps(entry[:-1]))
    later = EVENING + 12 * HOUR
    eve = impression("eve", later, segments=(("device", "tv"),))
    alone.apply(later, eve)
    memory.apply(later, eve, impression("ada", later), act(Kind.CLICK, "ada", later))
    memory.apply(later + 1, act(Kind.CLICK, "ada", later + 1), impression("ada", EVENING - 9))
    assert memory.sums()["users"] == 2
    assert memory.sums()["clicks"] == 2
    ((found,), (expected_,)) = (each.answer(detailed=0)[0]["arms"] for each in (memory, alone))
    assert (found["days"], found["segments"]) == (expected_["days"], expected_["segments"])


def is_days(cell: str) -> bool:
    return cell.endswith(" days")


@pytest.mark.parametrize("days", [[[0, 0, 0]], [[], [0] * 5], [[0] * 3, []], [[], [], []]])
def test_a_user_with_half_of_its_days_is_damaged(days: list[list[int]]) -> None:
    memory = Memory()
    memory.apply(EVENING, impression("ada", EVENING))
    own = orjson.loads(memory.users[FIRST, number("ada")])
    own[3] = [[*stay[:-2], *days] for stay in own[3]]
    with pytest.raises(Damaged):
        Participant.decode(orjson.dumps(own))


def segments(memory: Memory) -> dict[tuple[str, str | None], int]:
    """Users by feature and value."""
    ((arm,),) = (phase["arms"] for phase in memory.answer(detailed=0))
    return {(each["feature"], each["value"]): each["users"] for each in arm["segments"]}


def test_a_user_has_the_segments_of_its_first_impression_also_if_that_is_late() -> None:
    memory = Memory()
    memory.apply(AT + 9, impression("ada", AT + 9, segments=(("device", "tv"),)))
    memory.apply(AT + 10, impression("ada", AT + 10, segments=(("device", "phone"),)))
    assert segments(memory) == {("device", "tv"): 1}
    memory.apply(AT + 11, impression("ada", AT, segments=(("device", "watch"),)))
    assert segments(memory) == {("device", "watch"): 1}
    memory.apply(AT + 12, impression("eve", AT), Erasure("ada"))
    assert segments(memory) == {}


def test_values_beyond_the_bound_are_one_segment_and_more_features_are_none() -> None:
    memory = Memory()
    users = [impression(f"u{n}", AT, segments=(("city", f"c{n}"),)) for n in range(OTHER + 3)]
    more = [impression("x", AT, segments=tuple((f"f{n}", "v") for n in range(MAX_SEGMENTS)))]
    memory.apply(AT, *users, *more)
    seen = segments(memory)
    assert (seen["city", "c0"], seen["city", None]) == (1, 3)
    assert len({feature for feature, _ in seen}) == MAX_SEGMENTS
    assert len(seen) == OTHER + MAX_SEGMENTS


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
    assert len(Participant.decode(text).acts) == MOST_OPEN


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


NAMES = [f"{index:08x}" for index in range(MOST_EXPERIMENTS)]
REAL = "ffffffff"


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
    monkeypatch.setattr("recommender_collector.domain.books.MOST_USERS", 2)
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


def test_events_of_a_model_without_experiments_change_nothing() -> None:
    books = Books({}, AT, SPANS)
    assert not books.concerned([act(Kind.CLICK, "ada", AT), Erasure("ada")])
