"""Lines of the list of erasures: the digest and the time."""

from __future__ import annotations

import json

import pytest

from recommender_collector.domain import erased_users


@pytest.mark.parametrize("user", ["ada", 4711])
def test_a_line_has_the_time_and_not_the_id(user: int | str) -> None:
    line = erased_users.line_of(user, 1_795_000_000_250)
    assert json.loads(line) == {
        "user": erased_users.digest(user), "time": "2026-11-18T11:06:40.250Z",
    }  # fmt: skip
    assert str(user).encode() not in line
