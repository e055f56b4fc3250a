"""The categories of a list, as ingestion reads them from files: pure.

A separator separates within an entry too, whitespace in a category is one `-`, and repeated
categories count once. An entry may have no category, such as an empty one. A list has no nulls:
one that says nothing is a mistake of its writer. Ingestion writes a null as U+001E, so a category
of this character alone is one too. No separator has a `-`, so that categories that are read again,
from an impression or an event, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from recommender_contract.events import MAX_CATEGORY

#: What separates the entries of a list in ingestion.
_ENTRIES = "\x1f"
#: Stands for a null among them.
_NULL = "\x1e"
_NO_NULLS = "a list has no nulls: leave the entry out"
#: Whitespace as ingestion knows it: without the separators of ASCII, which `str.split` adds.
_WHITESPACE = re.compile(r"[^\S\x1c-\x1f]+")


class BadCategoriesError(ValueError):
    """A list is wrong, at the entry `place` or as a whole (None); the message is the remedy."""

    def __init__(self, place: int | None, remedy: str) -> None:
        super().__init__(remedy)
        self.place = place


def longest_entry(separator: str | None, most: int) -> int:
    """Return the most characters of an entry of a request or event, of all its categories."""
    return most * (MAX_CATEGORY + len(separator or _ENTRIES))


def categories_of(entries: Sequence[object], separator: str | None, most: int) -> tuple[str, ...]:
    """Return the categories of a list in the order in which they come first.

    Entries are texts, or bytes of UTF-8.

    Raises:
        BadCategoriesError: an entry is null, no text or longer than `longest_entry`, a category
            has more than 64 characters, or there are more than `most` different ones.
    """
    longest = longest_entry(separator, most)
    found: dict[str, None] = {}
    for place, entry in enumerate(entries):
        text = _text(place, entry, longest)
        if _NULL in text and _has_null(text, separator):
            raise BadCategoriesError(place, _NO_NULLS)
        for category in _separated(text, separator):
            if len(category) > MAX_CATEGORY:
                raise BadCategoriesError(
                    place, f"give categories of 1 to {MAX_CATEGORY} characters"
                )
            found[category] = None
        if len(found) > most:
            raise BadCategoriesError(None, f"give a list of at most {most} different categories")
    return tuple(found)


def _text(place: int, entry: object, longest: int) -> str:
    if entry is None:
        raise BadCategoriesError(place, _NO_NULLS)
    if isinstance(entry, bytes):
        try:
            entry = entry.decode()
        except UnicodeDecodeError:
            raise BadCategoriesError(place, "give UTF-8") from None
    if isinstance(entry, str) and len(entry) <= longest:
        return entry
    raise BadCategoriesError(place, f"give a string of at most {longest} characters")


def _has_null(entry: str, separator: str | None) -> bool:
    """Return whether a part is a null, also of a separator that contains its character."""
    return any(_NULL in _separated(entry, each) for each in (None, separator))


def _separated(entry: str, separator: str | None) -> Iterator[str]:
    """Yield the categories of an entry; none of one without any character that counts."""
    if separator is not None:
        entry = entry.replace(separator, _ENTRIES)
    for part in entry.split(_ENTRIES):
        if words := list(filter(None, _WHITESPACE.split(part))):
            yield "-".join(words)
