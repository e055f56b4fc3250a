"""Sessions are counted once, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.monitoring.session_memory import SessionMemory


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_is_new_once() -> None:
    memory = SessionMemory(Clock())
    assert [memory.first_seen(name) for name in ("a", "b", "a", "b")] == [True, True, False, False]


def test_a_request_without_an_id_is_a_session_of_its_own() -> None:
    memory = SessionMemory(Clock())
    assert memory.first_seen(None)
    assert memory.first_seen(None)
    assert len(memory) == 0


def test_a_session_lives_on_with_each_request_and_ends_after_a_pause() -> None:
    clock = Clock()
    memory = SessionMemory(clock, ttl=10)
    memory.first_seen("a")
    for _ in range(5):
        clock.now += 9
        assert not memory.first_seen("a")
    clock.now += 11
    assert memory.first_seen("a")


def test_the_least_recently_used_session_goes_first() -> None:
    memory = SessionMemory(Clock(), capacity=2)
    for name in ("a", "b", "a", "c"):
        memory.first_seen(name)
    assert not memory.first_seen("a")
    assert memory.first_seen("b")


def test_sessions_that_ended_leave_the_memory() -> None:
    clock = Clock()
    memory = SessionMemory(clock, ttl=10)
    for i in range(100):
        memory.first_seen(str(i))
    clock.now += 11
    memory.first_seen("new")
    assert len(memory) == 1


def test_any_text_is_an_id() -> None:
    assert SessionMemory(Clock()).first_seen("\ud800")


@given(st.lists(st.integers(0, 20)), st.integers(1, 5))
def test_the_memory_is_bounded_and_exact_within_its_bound(ids: list[int], capacity: int) -> None:
    memory = SessionMemory(Clock(), capacity=capacity)
    recent: list[int] = []  # least recently used first
    for each in ids:
        assert memory.first_seen(str(each)) == (each not in recent)
        recent = [*(other for other in recent if other != each), each][-capacity:]
        assert len(memory) <= capacity
