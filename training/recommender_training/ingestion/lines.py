"""Read the physical lines of a text file, and keep those of the current record for error reports.

A file may exceed the memory, and so may an unterminated line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Self, TextIO

#: Longest line in characters; a longer one is a bad row.
MAX_LINE = 1 << 20
#: Characters of a quarantined row to keep.
MAX_ROW_TEXT = 1000


class Lines:
    """Iterates over lines, including their ends. `taken` holds the lines since the last `start`.

    Invalid UTF-8 bytes become lone surrogates, so that they affect only their own row.
    """

    def __init__(self, path: Path) -> None:
        self._stream: TextIO = path.open(
            encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        self._again: deque[str] = deque()
        self.number = 0
        self.taken: list[str] = []
        self.too_long = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        return line

    def start(self) -> int:
        """Start a record; return the number of its first line, from 1."""
        self.taken.clear()
        self.too_long = False
        return self.number + 1

    def give_back(self) -> None:
        """Give back all lines of the record except the first, to be read again."""
        self.number -= len(self.taken) - 1
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def text(self) -> str:
        """Return the record as in the file, without its line end."""
        taken = self.taken
        return (taken[0] if len(taken) == 1 else "".join(taken)).rstrip("\r\n")

    def _read(self) -> str:
        line = self._stream.readline(MAX_LINE)
        if len(line) < MAX_LINE or line.endswith("\n"):
            return line
        rest = line
        while rest and not rest.endswith(("\n", "\r")):
            rest = self._stream.readline(MAX_LINE)
        self.too_long = True
        return "".join(char for char in line[:MAX_ROW_TEXT] if char not in "\"'\r\n") + "\n"


def bounded(text: str) -> tuple[str, bool]:
    """Return at most MAX_ROW_TEXT characters as valid UTF-8, and whether all of it was valid."""
    short = text[:MAX_ROW_TEXT]
    if text.isascii():
        return short, True
    try:
        text.encode()
    except UnicodeEncodeError:
        escaped = "".join(_escaped(char) for char in short)
        return escaped[:MAX_ROW_TEXT], False
    return short, True


def _escaped(char: str) -> str:
    """Escape an invalid UTF-8 byte as `\\xff`, another lone surrogate as `\\ud800`."""
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if 0xD800 <= code <= 0xDFFF else char
