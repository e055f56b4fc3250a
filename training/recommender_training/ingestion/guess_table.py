"""Guess which table of a source has the interactions, and say why no table has."""

from __future__ import annotations

from collections.abc import Sequence

from recommender_training.common.errors import InputError
from recommender_training.ingestion import guess_roles
from recommender_training.ingestion.file_preview import TablePreview


def events(seen: Sequence[TablePreview]) -> TablePreview:
    """Return the first table with columns of users, items and times.

    Raises InputError `InvalidMapping` if there is none, with what each table lacks.
    """
    for each in seen:
        if each.header and {"user", "item", "timestamp"} <= {*guess_roles.find(each.columns)}:
            return each
    raise InputError(
        "InvalidMapping",
        "no table has columns whose names say user, item and time, such as user_id, item_id and "
        f"timestamp. Found: {'; '.join(map(_lacks, seen))}. Join tables that have one part each, "
        "rename columns, or write the mapping yourself, see docs/training.md",
    )


def _lacks(seen: TablePreview) -> str:
    if seen.header:
        shown = ", ".join(seen.columns)[:200]
        return f"{seen.files}: {shown} ({guess_roles.missing(seen.columns)})"
    return (
        f"{seen.files} has no header (its first line is {', '.join(seen.columns)[:100]!r}): write "
        "the names of the columns as its first line, or list them in mapping.interactions.columns"
    )
