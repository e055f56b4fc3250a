"""How long an item stays away is said with `repeats: AfterDays`, and only then."""

from __future__ import annotations

import pytest

from recommender_training.common.errors import InputError
from recommender_training.config.training import parse_config


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ("", None),
        ('"repeats": "Never"', None),
        ('"repeats": "Allowed"', 0),
        ('"repeats": "AfterDays", "repeatsAfterDays": 1.5', 129_600),
    ],
)
def test_a_declared_wait_is_in_seconds(settings: str, seconds: int | None) -> None:
    assert parse_config(f"{{{settings}}}").repeat_after == seconds


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('"repeats": "AfterDays"', "repeats=AfterDays, and repeatsAfterDays is missing: set it"),
        ('"repeats": "Allowed", "repeatsAfterDays": 7', "repeatsAfterDays is 7: set it with"),
        ('"repeatsAfterDays": 7', "repeats=Auto, and repeatsAfterDays is 7"),
        ('"repeats": "AfterDays", "repeatsAfterDays": 0', "greater than 0"),
    ],
)
def test_days_without_their_mode_and_a_mode_without_its_days_are_refused(
    settings: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        parse_config(f"{{{settings}}}")
