"""The header and the lists of docs/contracts/headers.md, which both sides are held to."""

from __future__ import annotations

import json
import re
from pathlib import Path

_HEADER = re.compile(r"```text\n(.*)\n```")
_ROW = re.compile(r"^\| `([^`]*)` \| `(\[.*\])` \| `([AB-]*)` \|$", re.MULTILINE)
_PAGE = Path(__file__).resolve().parents[1] / "docs" / "contracts" / "headers.md"


def _section() -> str:
    page = _PAGE.read_text(encoding="utf-8")
    return page.split("\n## Mixed lists\n")[1].split("\n## ")[0]


def header() -> str:
    """The header of the page."""
    found, _ = _HEADER.findall(_section())
    return str(found)


def header_alone() -> str:
    """The header of the page while no list is mixed."""
    _, found = _HEADER.findall(_section())
    return str(found)


def vectors() -> list[tuple[str, list[int], str]]:
    """What the coins depend on, a list of 1, 2, ... mixed with 11, 12, ..., and its teams."""
    found = [(salt, json.loads(items), teams) for salt, items, teams in _ROW.findall(_section())]
    assert len(found) > 3
    return found
