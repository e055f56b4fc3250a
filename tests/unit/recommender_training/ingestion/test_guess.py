"""Guesses about the features of users and interactions, whose rows have a limit of categories."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_training.ingestion import guess


@pytest.mark.parametrize(
    ("count", "settings", "warning"),
    [
        (16, {"kind": "MultiCategorical", "separator": "|"}, ""),
        (17, {"kind": "MultiCategorical", "separator": "|", "maxPerRow": 17}, "up to 17"),
        (65, {}, "more than 64: left out"),
    ],
)
def test_categories_of_users_have_a_limit_a_row(
    count: int, settings: dict[str, Any], warning: str
) -> None:
    rows = ["a|b", None, "|".join(f"w{place}" for place in range(count))]
    own, before = guess.kind("interests", [row for row in rows if row])
    found, why = guess.of_requests(own, before, rows)
    assert found == settings
    assert warning in why


def test_lists_of_users_may_be_an_embedding() -> None:
    rows = [[0.1, 0.2], [1.0, -3.0]]
    found, why = guess.of_requests(*guess.kind("vector", rows), rows)
    assert (found, why) == ({"kind": "Embedding", "length": 2}, "")
