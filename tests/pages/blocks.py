"""Blocks and commands of the pages: pure, but for reading the files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The reference is generated from the parsers and the CRDs, and compared with them elsewhere.
GENERATED = ROOT / "docs" / "reference"
#: A log of the past, whose commands and metrics are those of their time.
HISTORY = ROOT / "docs" / "lab" / "changes-before-0.1.0.md"
_FENCE = re.compile(r"^( *)(```+|:::+)(.*)$")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
#: Programs whose commands in the text are checked as those in blocks are.
PROGRAMS = (
    "kubectl", "helm", "recommender-training", "recommender-examples", "recommender-simulate",
    "curl", "pip",
)  # fmt: skip
_MODULE = re.compile(r"^(?:python3? -m|make) \S")


@dataclass(frozen=True)
class Block:
    """A fenced block, or with the language `inline` a command in the text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return the pages that people write."""
    docs = sorted((ROOT / "docs").rglob("*.md"))
    written = [path for path in docs if not path.is_relative_to(GENERATED) and path != HISTORY]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written]


@cache
def blocks() -> tuple[Block, ...]:
    """Return all fenced blocks."""
    return tuple(block for page in pages() for block in _parts(page) if block.language != "prose")


@cache
def spans() -> tuple[Block, ...]:
    """Return the commands in the text of all pages."""
    return tuple(
        Block(part.page, part.line, "inline", found.replace("\\|", "|"))
        for page in pages()
        for part in _parts(page)
        if part.language == "prose"
        for found in _SPAN.findall(part.text)
        if found.partition(" ")[0] in PROGRAMS or _MODULE.match(found)
    )


@cache
def indented() -> tuple[Block, ...]:
    """Return the first lines of blocks that are indented instead of fenced."""
    found = []
    for page in pages():
        before = Block("", 0, "prose", "text")
        for part in _parts(page):
            code = part.text.startswith("    ") and not part.text.lstrip().startswith(("-", "*"))
            above = not before.text.strip() or before.text.startswith("#")
            if code and above and {part.language, before.language} == {"prose"}:
                found.append(part)
            before = part
    return tuple(found)


def of(*languages: str) -> list[Block]:
    """Return the blocks of these languages."""
    return [block for block in blocks() if block.language in languages]


def _parts(page: Path) -> Iterator[Block]:
    """Yield the lines of a page as blocks `prose`, and its fenced blocks."""
    name = str(page.relative_to(ROOT))
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        fence = _FENCE.match(line)
        if fence is None:
            yield Block(name, number, "prose", line)
            continue
        inside = []
        for _, below in lines:
            if below.strip() == fence[2]:
                break
            inside.append(below.removeprefix(fence[1]))
        yield Block(name, number, fence[3].strip(), "\n".join(inside) + "\n")
