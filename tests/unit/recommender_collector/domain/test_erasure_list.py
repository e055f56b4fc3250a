"""Lines of the list of erasures: the digest and the time."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain import erasure_list
from recommender_contract import erasures, ids

PAGE = Path(__file__).resolve().parents[4] / "docs" / "contracts" / "lake.md"


def vectors() -> dict[int | str, str]:
    """The digest of each user, from docs/contracts/lake.md."""
    rows = re.findall(r"^\| `([^`]+)` \| `([0-9a-f]{32})` \|$", PAGE.read_text(), re.MULTILINE)
    return {json.loads(user): digest for user, digest in rows}


def test_a_user_has_the_digest_defined_in_the_contract() -> None:
    found = vectors()
    assert len(found) == 4
    for user, digest in found.items():
        assert erasure_list.user_digest(user) == digest
        number = ids.hashed(user) if isinstance(user, str) else user
        assert erasures.digest(number) == digest


@given(st.one_of(st.integers(0, 10**18 - 1), st.text(min_size=1, max_size=60)))
def test_any_user_has_the_same_digest_in_training(user: int | str) -> None:
    if isinstance(user, str) and ids.fault(user) is not None:
        return
    number = ids.hashed(user) if isinstance(user, str) else user
    assert erasure_list.user_digest(user) == erasures.digest(number)


@pytest.mark.parametrize("user", ["ada", 4711])
def test_a_line_has_the_time_and_not_the_id(user: int | str) -> None:
    line = erasure_list.line_of(user, 1_795_000_000_250)
    assert json.loads(line) == {
        "user": erasure_list.user_digest(user), "time": "2026-11-18T11:06:40.250Z",
    }  # fmt: skip
    assert str(user).encode() not in line
