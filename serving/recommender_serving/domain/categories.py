"""The categories of a list, as ingestion reads them from files: pure.

A separator separates within an entry too, whitespace in a category is one `-`, and repeated
categories count once. A list has no nulls: one that says nothing is a mistake of its writer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

LONGEST = 64  # characters of an entry
#: What separates the entries of a list in ingestion.
_ENTRIES = "\x1f"
#: Whitespace as ingestion knows it: without the separators of ASCII, which `str.split` adds.
_WHITESPACE = re.compile(r"[^\S\x1c-\x1f]+")


class BadCategoriesError(ValueError):
    """A list is wrong, at the entry `place` or as a whole (None); the message is the remedy."""

    def __init__(self, place: int | None, remedy: str) -> None:
        super().__init__(remedy)
        self.place = place


def categories_of(entries: Sequence[object], separator: str | None, most: int) -> tuple[str, ...]:
    """Return the categories of a list in the order in which they come first.

    Entries are texts, or bytes of UTF-8.

    Raises:
        BadCategoriesError: an entry is no text of 1 to 64 characters, or there are more than
            `most` different categories.
    """
    found: dict[str, None] = {}
    for place, entry in enumerate(entries):
        for category in _separated(_text(place, entry), separator):
            found[category] = None
        if len(found) > most:
            raise BadCategoriesError(None, f"give a list of at most {most} different categories")
    return tuple(found)


def _text(place: int, entry: object) -> str:
    if entry is None:
        raise BadCategoriesError(place, "a list has no nulls: leave the entry out")
    if isinstance(entry, bytes):
        try:
            entry = entry.decode()
        except UnicodeDecodeError:
            raise BadCategoriesError(place, "give UTF-8") from None
    if isinstance(entry, str) and 1 <= len(entry) <= LONGEST:
        return entry
    raise BadCategoriesError(place, f"give a string of 1 to {LONGEST} characters")


def _separated(entry: str, separator: str | None) -> Iterator[str]:
    """Yield the categories of an entry; none of one without any character that counts."""
    if separator is not None:
        entry = entry.replace(separator, _ENTRIES)
    for part in entry.split(_ENTRIES):
        if words := list(filter(None, _WHITESPACE.split(part))):
            yield "-".join(words)
