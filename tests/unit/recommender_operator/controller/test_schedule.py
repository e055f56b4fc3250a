"""The schedule is correct for every order of events, and fair to every namespace."""

from __future__ import annotations

import dataclasses
import heapq
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.controller.schedule import BACKOFF_LIMIT, Schedule


def schedule(limit: int = 100) -> Schedule[str]:
    return Schedule(limit, jitter=lambda: 0.5)


def test_a_key_added_twice_is_taken_once() -> None:
    queue = schedule()
    queue.add("a", 0)
    queue.add("a", 0)
    assert queue.take(0) == ("a", 0)
    assert queue.take(0) is None


def test_a_key_added_while_in_work_is_taken_again_afterwards() -> None:
    queue = schedule()
    queue.add("a", 0)
    queue.take(0)
    queue.add("a", 1)
    queue.add("a", 1)
    assert queue.take(1) is None
    queue.done("a", 2)
    assert queue.take(2) == ("a", 1)
    queue.done("a", 3)
    assert queue.take(1e9) is None


def test_the_key_due_for_longest_comes_first() -> None:
    queue = schedule()
    queue.add("late", 5)
    queue.add("early", 3)
    assert queue.take(2) is None
    assert queue.next_due() == 3
    assert queue.take(9) == ("early", 3)
    assert queue.take(9) == ("late", 5)


def test_an_event_brings_a_later_look_forward_and_is_not_followed_by_it() -> None:
    queue = schedule()
    queue.add("a", 0)
    queue.take(0)
    queue.done("a", 0, again_after=60)
    queue.add("a", 10)
    assert queue.take(10) == ("a", 10)
    queue.done("a", 11)
    assert queue.next_due() is None


def test_errors_are_repeated_with_doubling_pauses_up_to_a_limit() -> None:
    queue = schedule()
    queue.add("a", 0)
    pauses = []
    now = 0.0
    for _ in range(12):
        taken = queue.take(now)
        assert taken is not None
        pauses.append(queue.failed("a", now))
        assert queue.take(now + pauses[-1] * 0.99) is None
        now += pauses[-1]
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert pauses[-1] == BACKOFF_LIMIT


def test_a_success_forgets_the_errors_before_it() -> None:
    queue = schedule()
    queue.add("a", 0)
    queue.take(0)
    queue.failed("a", 0)
    queue.take(1)
    queue.done("a", 1, again_after=1)
    queue.take(2)
    assert queue.failed("a", 2) == 1


def test_an_event_of_its_own_work_does_not_undo_the_pause() -> None:
    queue = schedule()
    queue.add("a", 0)
    queue.take(0)
    queue.add("a", 0)
    queue.failed("a", 0)
    assert queue.take(0.9) is None
    assert queue.take(1.0) is not None


def test_failing_keys_spread_out() -> None:
    values = iter([0.0, 1.0])
    queue: Schedule[str] = Schedule(10, jitter=lambda: next(values))
    queue.add("a", 0)
    queue.add("b", 0)
    queue.take(0)
    queue.take(0)
    assert (queue.failed("a", 0), queue.failed("b", 0)) == pytest.approx((0.8, 1.2))


def test_a_full_queue_refuses_new_keys_and_keeps_the_old() -> None:
    queue = schedule(limit=2)
    assert queue.add("a", 0)
    assert queue.add("b", 0)
    assert not queue.add("c", 0)
    assert queue.add("a", 0)
    queue.take(0)
    assert not queue.add("c", 0), "a key that is worked on still takes its room"
    queue.done("a", 0)
    assert queue.add("c", 0)


def test_the_queue_reports_how_long_keys_wait_and_are_in_work() -> None:
    queue = schedule()
    assert (queue.overdue(5), queue.longest_work(5), queue.depth(5)) == (0, 0, 0)
    queue.add("a", 1)
    queue.add("b", 2)
    queue.add("c", 100)
    assert (queue.overdue(5), queue.depth(5)) == (4, 2)
    queue.take(5)
    assert (queue.overdue(9), queue.longest_work(9), queue.working) == (7, 4, 1)


Steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "take", "done", "again", "fail"]),
        st.sampled_from("abc"),
        st.floats(0, 10),
    ),
    max_size=60,
)


@given(Steps)
def test_no_key_is_lost_or_in_work_twice(steps: list[tuple[str, str, float]]) -> None:
    queue = schedule()
    now = 0.0
    working: set[str] = set()
    wanted: set[str] = set()
    for verb, key, number in steps:
        now += number
        if verb == "add":
            queue.add(key, now)
            wanted.add(key)
        elif verb == "take":
            taken = queue.take(now)
            if taken is not None:
                assert taken[0] not in working
                working.add(taken[0])
                wanted.discard(taken[0])
        elif key in working:
            working.discard(key)
            if verb == "done":
                queue.done(key, now)
            elif verb == "again":
                queue.done(key, now, again_after=number)
                wanted.add(key)
            else:
                queue.failed(key, now)
                wanted.add(key)
    for key in working:
        queue.done(key, now)
    left = set()
    while (taken := queue.take(1e12)) is not None:
        left.add(taken[0])
    assert left == wanted


def space(key: str) -> str:
    return key[0]


def test_namespaces_take_turns_though_one_has_waited_longer() -> None:
    queue: Schedule[str] = Schedule(100, group=space)
    for number in range(4):
        queue.add(f"a{number}", number)
    queue.add("b0", 10)
    queue.add("b1", 10)
    order = []
    while (taken := queue.take(20)) is not None:
        order.append(taken[0])
    assert order == ["a0", "b0", "a1", "b1", "a2", "a3"]


def test_a_namespace_served_longer_ago_comes_first_though_it_is_due_later() -> None:
    queue: Schedule[str] = Schedule(100, group=space)
    for number in range(3):
        queue.add(f"a{number}", 0)
    queue.add("b0", 1)
    assert queue.take(0) == ("a0", 0)
    assert queue.take(0) == ("a1", 0)
    assert queue.take(1) == ("b0", 1)
    assert queue.take(1) == ("a2", 0)


def test_a_look_that_was_brought_forward_is_not_repeated_at_its_old_time() -> None:
    queue = schedule()
    queue.add("a", 10)
    queue.add("a", 5)
    queue.add("b", 20)
    assert queue.take(5) == ("a", 5)
    queue.done("a", 5)
    assert queue.next_due() == 20
    assert queue.take(10) is None
    assert queue.take(20) == ("b", 20)


def test_a_single_namespace_leaves_a_fifth_of_the_workers_free() -> None:
    for workers, most in ((1, 1), (2, 1), (3, 2), (5, 4), (10, 8), (20, 16)):
        queue: Schedule[str] = Schedule(100, group=space, workers=workers)
        for number in range(30):
            queue.add(f"a{number}", 0)
        while queue.working < workers and queue.take(0) is not None:
            pass
        assert queue.working == most


def test_a_worker_given_back_is_taken_again() -> None:
    queue: Schedule[str] = Schedule(100, group=space, workers=3)
    for number in range(3):
        queue.add(f"a{number}", number)
    assert (queue.take(9), queue.take(9), queue.take(9)) == (("a0", 0), ("a1", 1), None)
    queue.done("a0", 9)
    assert queue.take(9) == ("a2", 2)


def test_due_keys_without_the_end_of_work_are_a_stall_but_a_backlog_is_not() -> None:
    queue = schedule()
    queue.add("a", 0)
    queue.add("b", 0)
    assert queue.stalled(5) == 5
    queue.take(5)
    queue.failed("a", 100)
    assert (queue.overdue(101), queue.stalled(101)) == (101, 1)


@dataclasses.dataclass
class Model:
    """The same promises in a simple but slow implementation."""

    workers: int
    due: dict[str, float] = dataclasses.field(default_factory=dict)
    working: set[str] = dataclasses.field(default_factory=set)

    def check(self, taken: tuple[str, float] | None, now: float) -> None:
        held = Counter(map(space, self.working))
        ready = {key: at for key, at in self.due.items() if at <= now}
        if taken is None:
            starved = {space(key) for key in ready} - set(held)
            assert not starved, "a namespace that holds no worker was passed over"
            return
        key, at = taken
        assert ready[key] == at
        assert at == min(t for k, t in ready.items() if space(k) == space(key))
        last = len(self.working) + 1 == self.workers
        assert not (last and held[space(key)] and self.workers > 1), "the last one is for others"
        del self.due[key]
        self.working.add(key)


Turns = st.lists(
    st.tuples(
        st.sampled_from(["add", "take", "take", "done", "again"]),
        st.sampled_from(["a0", "a1", "a2", "a3", "b0", "b1", "c0"]),
        st.floats(0, 5),
    ),
    max_size=120,
)


@given(st.integers(1, 5), Turns)
def test_every_take_is_fair_and_due(workers: int, turns: list[tuple[str, str, float]]) -> None:
    queue: Schedule[str] = Schedule(100, group=space, workers=workers)
    model, now = Model(workers), 0.0
    for verb, key, number in turns:
        now += number
        if verb == "add" and key not in model.working:
            queue.add(key, now + number)
            model.due[key] = min(now + number, model.due.get(key, 1e9))
        elif verb == "take" and len(model.working) < workers:
            model.check(queue.take(now), now)
        elif verb in ("done", "again") and key in model.working:
            model.working.discard(key)
            queue.done(key, now, again_after=number if verb == "again" else None)
            if verb == "again":
                model.due[key] = now + number
        assert queue.next_due() == min(model.due.values(), default=None)
        assert queue.depth(now) == sum(at <= now for at in model.due.values())


#: Seconds for which a look at a failing model occupies a worker: the limit of one request.
SLOW, QUICK = 15.0, 0.05


def waits(workers: int, noisy: int, seconds: float) -> list[float]:
    """Return the delays of the looks in a quiet namespace beside a failing one."""
    queue: Schedule[str] = Schedule(10_000, jitter=lambda: 0.5, group=space, workers=workers)
    for number in range(noisy):
        queue.add(f"n{number}", 0)
    for number in range(10):
        queue.add(f"q{number}", 1 + number)
    now, late, ends = 0.0, [], list[tuple[float, str]]()
    while now < seconds:
        while len(ends) < workers and (taken := queue.take(now)) is not None:
            key, due = taken
            heapq.heappush(ends, (now + (QUICK if key[0] == "q" else SLOW), key))
            if key[0] == "q":
                late.append(now - due)
        times = [at for at in (queue.next_change(), ends[0][0] if ends else None) if at]
        now = min(times)
        while ends and ends[0][0] <= now:
            key = heapq.heappop(ends)[1]
            if key[0] == "q":
                queue.done(key, now, again_after=15)
            else:
                queue.failed(key, now)
    return late


@pytest.mark.parametrize("workers", [2, 3, 10])
def test_beside_500_failing_models_another_tenants_look_is_less_than_a_second_late(
    workers: int,
) -> None:
    late = waits(workers, noisy=500, seconds=1200)
    assert len(late) > 500
    assert max(late) < 1


def test_keys_often_brought_forward_leave_no_stale_entries() -> None:
    queue = schedule()
    for number in range(10_000, 0, -1):
        queue.add("a", number)
    (group,) = queue._groups.values()
    assert len(group.heap) < 100
    assert len(queue._times) < 100
