"""The buckets and the salt of a holdout in docs/contracts/headers.md, for both sides."""

from __future__ import annotations

import json
import re
from pathlib import Path

_ROW = re.compile(r"^\| `(holdout-[0-9a-f]{8})` \| `(\".*\")` \| ([0-9]+) \|$", re.MULTILINE)
_SALT = re.compile(r"`default/shop` has `(holdout-[0-9a-f]{8})`")
_SETTING = re.compile(r"```json\n(.*)\n```")
_PAGE = Path(__file__).resolve().parents[1] / "docs" / "contracts" / "headers.md"


def _section() -> str:
    page = _PAGE.read_text(encoding="utf-8")
    return page.split("\n## Users of a holdout\n")[1].split("\n## ")[0]


def vectors() -> list[tuple[str, str, int]]:
    """A salt, a user, and the bucket."""
    found = [
        (salt, json.loads(user), int(place)) for salt, user, place in _ROW.findall(_section())
    ]
    assert len(found) > 5
    return found


def salt_of_the_shop() -> str:
    """The salt of the model shop in the namespace default."""
    (found,) = _SALT.findall(_section())
    return str(found)


def setting() -> str:
    """The setting of the page."""
    (found,) = _SETTING.findall(_section())
    return str(found)
