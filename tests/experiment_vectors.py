"""The buckets of docs/contracts/ids.md, which whoever computes them is held to."""

from __future__ import annotations

import json
import re
from pathlib import Path

_ROW = re.compile(r"^\| `([0-9a-f]{8})` \| `(\".*\")` \| ([0-9]+) \|$", re.MULTILINE)
_PAGE = Path(__file__).resolve().parents[1] / "docs" / "contracts" / "ids.md"


def vectors() -> list[tuple[str, str, int]]:
    """The id of an experiment, a user, and the bucket."""
    page = _PAGE.read_text(encoding="utf-8")
    section = page.split("\n## Buckets of users\n")[1].split("\n## ")[0]
    found = [(id_, json.loads(user), int(place)) for id_, user, place in _ROW.findall(section)]
    assert len(found) > 10
    return found
