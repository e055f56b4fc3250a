"""The vectors of docs/contracts/ids.md."""

from __future__ import annotations

import json
import re
from pathlib import Path

_ROW = re.compile(r"^\| `(\".*\")` \| ([0-9]+) \|$", re.MULTILINE)
_PAGE = Path(__file__).resolve().parents[1] / "docs" / "contracts" / "ids.md"


def vectors() -> dict[str, int]:
    """The id of each text."""
    section = _PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    found = {json.loads(text): int(number) for text, number in _ROW.findall(section)}
    assert len(found) > 10
    return found
