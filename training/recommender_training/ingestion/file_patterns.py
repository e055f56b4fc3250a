"""Files beside one another that look alike, such as those of months, and a pattern for them."""

from __future__ import annotations

import calendar
import fnmatch
import glob
import re
from collections.abc import Hashable, Sequence
from pathlib import Path

import polars as pl

from recommender_training.ingestion.lines import Lines

_TOKEN = re.compile(r"\d+|[A-Za-z]+|[^A-Za-z\d]+")
_MONTHS = {name.lower() for name in (*calendar.month_name, *calendar.month_abbr) if name}


def patterns(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the pattern of each file of a folder: its own name, or that of it and its siblings.

    Siblings have the same header, and names that differ in numbers and months alone. A pattern
    that would match another file, too, is not used.
    """
    groups: dict[Hashable, list[Path]] = {}
    for path in paths:
        groups.setdefault((_shape(path), _header(path)), []).append(path)
    names = [path.name for path in paths]
    found = {path: path.name for path in paths}
    for group in groups.values():
        own = {path.name for path in group}
        for pattern in _candidates(group):
            if {name for name in names if fnmatch.fnmatchcase(name, pattern)} == own:
                found |= dict.fromkeys(group, pattern)
                break
    return found


def _varies(token: str) -> bool:
    return token.isdigit() or token.lower() in _MONTHS


def _shape(path: Path) -> tuple[str, ...]:
    """Return the parts of a name, with numbers and months left empty."""
    return tuple("" if _varies(token) else token for token in _TOKEN.findall(path.name))


def _header(path: Path) -> Hashable:
    """Return the header of a file; JSON lines have none."""
    try:
        if path.suffix.lower() == ".parquet":
            return tuple(pl.scan_parquet(path, glob=False).collect_schema().names())
        if path.suffix.lower() in (".csv", ".tsv"):
            with Lines(path) as lines:
                return next(lines, "").strip()
    except (pl.exceptions.PolarsError, OSError, ValueError):
        return path  # like no other file; who reads it reports why it cannot be read
    return ""


def _candidates(group: Sequence[Path]) -> list[str]:
    """Return patterns for the files of one shape, the plainest one first."""
    tokens = [_TOKEN.findall(path.name) for path in group]
    places = [n for n, each in enumerate(zip(*tokens, strict=True)) if len({*each}) > 1]
    if not places:
        return []
    before, after = tokens[0][: places[0]], tokens[0][places[-1] + 1 :]
    stars = ["*", "[0-9]*"] if all(each[places[0]].isdigit() for each in tokens) else ["*"]
    return [glob.escape("".join(before)) + star + glob.escape("".join(after)) for star in stars]
