"""Lines of the list of erasures."""

from __future__ import annotations

import json

import pytest

from recommender_collector.domain import erasure_list
from recommender_contract import erasures
from recommender_contract.ids import hashed


@pytest.mark.parametrize(("user", "number"), [("ada", hashed("ada")), (4711, 4711)])
def test_a_line_has_the_time_and_not_the_id(user: int | str, number: int) -> None:
    line = erasure_list.line_of(user, 1_795_000_000_250)
    assert json.loads(line) == {
        "user": erasures.digest(number), "time": "2026-11-18T11:06:40.250Z",
    }  # fmt: skip
    assert str(user).encode() not in line
