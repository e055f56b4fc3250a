"""Commands of a page, as a reader would type them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:<!-- tested by: (?P<elsewhere>\S+) -->\n)?```sh\n(?P<text>.*?)```", re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A block of commands. `elsewhere`: the test that covers it, if the page's test does not."""

    text: str
    elsewhere: str


def blocks(page: Path) -> list[Block]:
    """Return the blocks of commands of a page, in order."""
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["text"], match["elsewhere"] or "") for match in found]


def script(page: Path) -> str:
    """Return the commands that the page's own test runs."""
    return "".join(block.text for block in blocks(page) if not block.elsewhere)
