"""What both models read of a session: how recent its last positive event is."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.features import graph

NOW, YEAR = 100_000_000, 31_536_000

#: Seconds before the request, and value, of the events of a session; 0 is an unknown value.
Session = list[tuple[int, float]]

sessions = st.lists(
    st.tuples(st.integers(0, 2 * YEAR), st.sampled_from([0.0, 1.0, 3.0, 4.0, 5.0])), max_size=6
)


def numbers(session: Session, padding: int = 1) -> dict[str, float]:
    """Those of a session after so many empty places."""
    events = sorted(session, reverse=True)
    found = graph.session_numbers(
        torch.tensor([[False] * padding + [True] * len(events)]),
        torch.tensor([[5.0] * padding + [value for _, value in events]]),
        torch.tensor([[NOW] * padding + [NOW - ago for ago, _ in events]]),
        torch.tensor([NOW]),
        torch.tensor(3.0),
        torch.tensor(0.5),
    )
    return dict(zip(graph.SESSION_NUMBERS, found[0].tolist(), strict=True))


@given(session=sessions, padding=st.integers(1, 3))
def test_the_last_positive_event_is_that_of_a_plain_loop(session: Session, padding: int) -> None:
    since = min([YEAR, *(ago for ago, value in session if value >= 4)])
    found = numbers(session, padding)
    assert found["seconds_since_positive"] == pytest.approx(math.log1p(since), rel=1e-5)
    assert found["recent_positive"] == pytest.approx(60 / (60 + since), rel=1e-5)


def test_later_events_that_are_not_positive_do_not_hide_an_earlier_one_that_is() -> None:
    before = numbers([(60, 5.0)])
    after = numbers([(60, 5.0), (30, 1.0), (2, 0.0)])
    assert after["recent_positive"] == before["recent_positive"] == 0.5
    assert after["seconds_since_last"] < before["seconds_since_last"]


def test_without_a_positive_event_the_last_one_was_a_year_ago() -> None:
    for session in ([], [(5, 1.0)], [(2 * YEAR, 5.0)]):
        assert numbers(session)["seconds_since_positive"] == pytest.approx(math.log1p(YEAR))
