"""A call is repeated while it may help, and never beyond its deadline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_client.retries import Attempts, Retries


class Clock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_waits_double_up_to_their_limit() -> None:
    attempts = Attempts(Retries(5, 0.1, 0.5), 60, Clock(), lambda: 1.0)
    assert [attempts.wait() for _ in range(6)] == [0.1, 0.2, 0.4, 0.5, 0.5, None]


@given(
    st.integers(0, 6),
    st.floats(0, 2),
    st.floats(0.01, 5),
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1)), min_size=8, max_size=8),
)
def test_no_attempt_starts_after_the_deadline(
    count: int, first: float, deadline: float, steps: list[tuple[float, float]]
) -> None:
    clock = Clock()
    drawn = iter([share for _, share in steps])
    attempts = Attempts(Retries(count, first, first + 1), deadline, clock, lambda: next(drawn))
    for number, (taken, _) in enumerate(steps, 1):
        clock.now += taken  # the attempt
        wait = attempts.wait()
        assert attempts.failed == number
        if wait is None:
            return
        assert number <= count
        clock.now += wait
        assert clock.now < 100 + deadline + 1e-9
        assert attempts.left >= 0


@pytest.mark.parametrize(("count", "first", "most"), [(-1, 0.1, 1), (1, -0.1, 1), (1, 2, 1)])
def test_settings_that_cannot_be_are_refused(count: int, first: float, most: float) -> None:
    with pytest.raises(ValueError, match="give count >= 0 and 0 <= first <= most"):
        Retries(count, first, most)
