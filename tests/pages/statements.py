"""The statements of a block of shell, each as a reader types it: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: What is skipped when quotes are counted: escapes, texts in quotes, comments.
_CLOSED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|(?:^|(?<=\s))\#[^\n]*""", re.DOTALL)
_CONTINUED = re.compile(r"(?:\\|\||&&)\s*$")
_OPENS, _CLOSES = re.compile(r"(?:^|[;\s])(?:for|while|if)\s"), re.compile(r"\b(?:done|fi)\b")


def statements(text: str) -> Iterator[str]:
    """Yield the statements of a script, without comments between them.

    Raises:
        ValueError: the last one is not complete.
    """
    lines: list[str] = []
    for line in text.splitlines():
        if not lines and (not line.strip() or line.lstrip().startswith("#")):
            continue
        lines.append(line)
        if _complete("\n".join(lines)):
            yield "\n".join(lines)
            lines = []
    if lines:
        raise ValueError(f"not complete: {lines[0]!r}")


def _complete(text: str) -> bool:
    bare = _CLOSED.sub("", text)
    if "'" in bare or '"' in bare or _CONTINUED.search(text):
        return False
    return len(_OPENS.findall(bare)) == len(_CLOSES.findall(bare))
