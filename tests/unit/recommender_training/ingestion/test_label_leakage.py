"""A column that is known only after the event is named, and no other one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.ingestion import label_leakage

CLICKED: list[bool | None] = [n % 5 == 0 for n in range(200)]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            [9.5 if click and n % 2 else 0 for n, click in enumerate(CLICKED)],
            "other than '0' only",
        ),
        ([n if click else None for n, click in enumerate(CLICKED)], "other than missing only"),
        ([None if click else "scrolled" for click in CLICKED], "only where clicked is positive"),
        (["ok" if n % 5 else "no" for n in range(200)], "only where clicked is positive"),
    ],
)
def test_a_column_that_departs_from_its_usual_value_for_one_outcome_alone_is_a_leak(
    values: list[object], words: str
) -> None:
    found = label_leakage.leakage_warning(values, CLICKED, "clicked")
    assert words in found
    assert found.endswith("left out")


def test_a_column_that_departs_only_in_negative_events_is_a_leak() -> None:
    mostly: list[bool | None] = [not click for click in CLICKED]
    found = label_leakage.leakage_warning(
        ["skipped" if click else None for click in CLICKED], mostly, "clicked"
    )
    assert "only where clicked is negative" in found


@pytest.mark.parametrize(
    "values",
    [
        ["web" if n % 3 else "app" for n in range(200)],
        ["sale" if n in (0, 5) else None for n in range(200)],  # two clicks may be chance
        [1] * 200,
        [None] * 200,
    ],
)
def test_other_columns_are_none(values: list[object]) -> None:
    assert label_leakage.leakage_warning(values, CLICKED, "clicked") == ""


@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 0.95))
def test_a_column_that_does_not_depend_on_the_outcome_is_none(seed: int, share: float) -> None:
    draw = random.Random(seed)
    outcome: list[bool | None] = [draw.random() < share for _ in range(300)]
    values = [draw.choice(["a", "a", "b", None]) for _ in range(300)]
    assert label_leakage.leakage_warning(values, outcome, "clicked") == ""


def test_without_two_outcomes_nothing_is_said() -> None:
    assert label_leakage.leakage_warning([1, 2, 3], [True] * 3, "clicked") == ""
    assert label_leakage.leakage_warning([1, 2], [None, None], "clicked") == ""
