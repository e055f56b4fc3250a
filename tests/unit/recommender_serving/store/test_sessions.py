"""The session of a user, from the online store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.online_store import member
from recommender_serving.domain.types import SessionEvent
from recommender_serving.store.sessions import history, interaction

NOW = 1_795_000_000


@given(st.integers(-(2**63), 2**63 - 1), st.floats(-1e12, 1e12), st.integers(0, 10**12))
def test_an_interaction_comes_back_as_it_was(item: int, value: float, time: int) -> None:
    text = member(item, value, "click", time).encode()
    event = interaction(text, float(time))
    assert (event.item, event.timestamp, event.value) == (item, time // 1000, value)


@pytest.mark.parametrize("text", [b"", b"5", b"5 1", b"x 1 n", b"5 y n"])
def test_a_member_of_another_layout_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - Python's own messages
        interaction(text, 1.0)


def _events(*ages: int) -> list[SessionEvent]:
    return [SessionEvent(age, NOW - age) for age in ages]


def test_pauses_do_not_matter_to_the_history() -> None:
    recent = _events(3 * 86_400, 4000, 10)
    assert history(recent, NOW, 20) == tuple(recent)


def test_what_did_not_happen_before_the_second_of_the_request_is_left_out() -> None:
    recent = _events(20, 10, 0, -10)
    assert history(recent, NOW, 20) == tuple(recent[:2])


@given(st.lists(st.integers(-5, 20), max_size=12), st.integers(1, 12))
def test_a_history_is_the_newest_events_in_the_order_of_training(
    ages: list[int], length: int
) -> None:
    recent = [SessionEvent(place % 3, NOW - age, place / 4) for place, age in enumerate(ages)]
    found = history(recent, NOW, length)
    past = sorted(
        (each for each in recent if each.timestamp < NOW),
        key=lambda each: (each.timestamp, each.item, each.value),
    )
    assert list(found) == past[max(0, len(past) - length) :]
