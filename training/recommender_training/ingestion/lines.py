"""Physical lines of a text file, one at a time, with those of the record at hand kept for blame.

A file may be larger than the memory, and so may a line that should have ended long ago.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Self, TextIO

#: Characters of a line; what is longer is a row of its own, and no row of the table.
MAX_LINE = 1 << 20
#: Characters of a quarantined row that are kept.
MAX_ROW_TEXT = 1000


class Lines:
    """Iterates over lines, ends included. `taken` are those since the last `start`.

    Bytes that are no UTF-8 come as lone surrogates, so that they spoil their own row alone.
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
        """Begin a record; the number of its first line, from 1."""
        self.taken.clear()
        self.too_long = False
        return self.number + 1

    def give_back(self) -> None:
        """Only the first line was of this record: the others will be read again."""
        self.number -= len(self.taken) - 1
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def text(self) -> str:
        """The record as it stands in the file, without its end."""
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
    """At most MAX_ROW_TEXT characters that a table can hold, and whether it all was UTF-8."""
    short = text[:MAX_ROW_TEXT]
    if text.isascii():
        return short, True
    try:
        text.encode()
    except UnicodeEncodeError:
        told = "".join(_told(char) for char in short)
        return told[:MAX_ROW_TEXT], False
    return short, True


def _told(char: str) -> str:
    """A byte that is no UTF-8 as `\\xff`, another lone surrogate as `\\ud800`."""
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if 0xD800 <= code <= 0xDFFF else char
