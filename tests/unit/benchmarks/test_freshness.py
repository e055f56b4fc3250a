"""The counts of the benchmark of freshness."""

from __future__ import annotations

import pytest
from lab.benchmarks.freshness import KINDS, event, quantile


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0)]
)
def test_a_quantile_is_the_smallest_value_that_the_share_does_not_exceed(
    share: float, expected: float
) -> None:
    assert quantile([float(n) for n in range(100, 0, -1)], share) == expected


def test_events_of_users_differ_in_their_ids_and_take_turns_in_their_kind() -> None:
    made = [event(number, user, 1) for user in (1, 2) for number in range(6)]
    assert len({each["id"] for each in made}) == len(made)
    assert [each["kind"] for each in made[:3]] == list(KINDS)
