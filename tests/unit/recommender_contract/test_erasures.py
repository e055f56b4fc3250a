"""An erased user has the digest in docs/contracts/lake.md."""

from __future__ import annotations

import json
import re
from pathlib import Path

from recommender_contract import erasures, ids

PAGE = Path(__file__).resolve().parents[3] / "docs" / "contracts" / "lake.md"


def vectors() -> dict[int | str, str]:
    """The digest of each user, from docs/contracts/lake.md."""
    rows = re.findall(r"^\| `([^`]+)` \| `([0-9a-f]{32})` \|$", PAGE.read_text(), re.MULTILINE)
    return {json.loads(user): digest for user, digest in rows}


def test_a_user_has_the_digest_defined_in_the_contract() -> None:
    found = vectors()
    assert len(found) == 4
    for user, digest in found.items():
        number = ids.hashed(user) if isinstance(user, str) else user
        assert erasures.digest(number) == digest
