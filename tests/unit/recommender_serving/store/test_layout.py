"""The layout of the online store."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.domain.types import SessionEvent
from recommender_serving.store.layout import SESSION_GAP, Set, interaction, key, member, session

NOW = 1_795_000_000


def test_keys_of_a_model_share_a_hash_tag() -> None:
    assert key("shop", 7, Set.RECENT) == "{shop}:user:7:recent"


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-1000, 1000), st.integers(0, 10**12))
def test_an_interaction_comes_back_as_it_was(item: int, value: int, time: int) -> None:
    text = member(item, value / 8, "00ff").encode()
    event = interaction(text, float(time))
    assert (event.item, event.timestamp) == (item, time // 1000)
    assert event.value == pytest.approx(value / 8, rel=1e-5)


@pytest.mark.parametrize("text", [b"", b"5", b"5 1", b"x 1 n", b"5 y n"])
def test_a_member_of_another_layout_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - Python's own messages
        interaction(text, 1.0)


def _events(*ages: int) -> list[SessionEvent]:
    return [SessionEvent(age, NOW - age) for age in ages]


def test_a_session_ends_with_a_pause_of_thirty_minutes() -> None:
    near, far = SESSION_GAP - 1, SESSION_GAP
    recent = _events(near + far + 10, near + 10, 10)
    assert session(recent, NOW) == tuple(recent[1:])


def test_a_request_after_the_pause_starts_a_new_session() -> None:
    assert session(_events(SESSION_GAP), NOW) == ()
    assert session(_events(SESSION_GAP - 1), NOW) != ()


def test_what_happened_after_the_request_is_left_out() -> None:
    recent = _events(20, 10, -10)
    assert session(recent, NOW) == tuple(recent[:2])


@given(st.lists(st.integers(-5000, 20_000), max_size=12))
def test_a_session_is_the_longest_run_without_a_pause_up_to_the_request(ages: list[int]) -> None:
    recent = _events(*sorted(ages, reverse=True))
    found = session(recent, NOW)
    times = [each.timestamp for each in found]
    past = [each.timestamp for each in recent if each.timestamp <= NOW]
    assert times == past[len(past) - len(times) :]
    pauses = [after - before for before, after in pairwise([*times, NOW])]
    assert all(pause < SESSION_GAP for pause in pauses)
    if len(times) < len(past):
        assert (times[0] if times else NOW) - past[-len(times) - 1] >= SESSION_GAP
