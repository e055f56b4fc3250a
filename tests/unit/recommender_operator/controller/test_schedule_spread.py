"""Looks at models that were found at one time spread over it, and short pauses stay exact."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from recommender_operator.controller.schedule import SPREAD, SPREAD_FROM, spread

CHANCES = st.floats(0, 1)


@given(st.floats(SPREAD_FROM, 1e6), CHANCES)
@example(SPREAD_FROM, 0.0)
def test_a_long_pause_changes_by_a_tenth_at_most(seconds: float, chance: float) -> None:
    assert abs(spread(seconds, chance) - seconds) <= SPREAD * seconds * (1 + 1e-9)


@given(st.floats(0, SPREAD_FROM, exclude_max=True), CHANCES)
def test_a_short_pause_is_exact(seconds: float, chance: float) -> None:
    assert spread(seconds, chance) == seconds


def test_all_of_the_tenth_is_used_on_both_sides() -> None:
    assert [round(spread(100, chance)) for chance in (0.0, 0.5, 1.0)] == [90, 100, 110]


def test_a_thousand_models_that_were_found_at_once_are_apart_after_two_looks() -> None:
    """In steps of a second of a minute, no second has more than a few of them."""
    due = [spread(60, number % 37 / 36) + spread(60, number % 41 / 40) for number in range(1_000)]
    seconds = [int(at) for at in due]
    assert max(seconds.count(second) for second in set(seconds)) < 100
