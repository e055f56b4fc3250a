"""Reads a page: types its commands, and runs its Python, block by block."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Protocol

from tests.pages import howtos


class Place(Protocol):
    """Where a reader types."""

    def type(self, text: str, where: str = "") -> str:
        """Run commands as they are, and return what they print."""
        ...

    def python(self, text: str, where: str = "") -> str:
        """Run a snippet, and return what it prints."""
        ...

    def filled(self, text: str) -> str:
        """Return a text with the reader's values."""
        ...


class Reader:
    """Types the blocks of a page, one after another."""

    def __init__(
        self, place: Place, page: str, names: Mapping[str, str], programs: tuple[str, ...]
    ) -> None:
        self._place, self._names = place, names
        self.left = howtos.scripts(page, *programs)
        #: Placeholders that no block had yet: the page may have changed.
        self.unused = {*names}

    def next(self, expected: str) -> str:
        """Run the next block, which contains this text, and return what it prints."""
        script = self.left.pop(0)
        text = "\n".join(script.statements)
        assert expected in text, f"{script.where} is not about {expected!r}"
        for pattern, value in self._names.items():
            text, found = re.subn(pattern, value, text)
            if found:
                self.unused.discard(pattern)
        run = self._place.python if script.language == "python" else self._place.type
        return run(self._place.filled(text), script.where)


@contextlib.contextmanager
def reading(
    place: Place, page: str, names: Mapping[str, str] | None = None, programs: tuple[str, ...] = ()
) -> Iterator[Reader]:
    """Read a page to its end, or its commands of some programs.

    `names` are patterns of the page's own placeholders.
    """
    reader = Reader(place, page, names or {}, programs)
    yield reader
    assert (reader.left, reader.unused) == ([], set())
