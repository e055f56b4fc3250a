"""Marks of the lakes that read these files: `<root>/_lakes/<lake>.json`.

A check leaves a mark there after it has read the files (docs/contracts.md): through which batch,
and through which list of erasures. Without a mark no lake is known to have read anything.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from recommender_collector.writers.file_batches import Batches, order

logger = logging.getLogger(__name__)
FOLDER = "_lakes"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a lake is."""

    name: str  # of the file
    through: int  # number of the newest batch that it has read
    erasures: tuple[int, int]  # key of the newest list that it has applied
    at: str


def prepare(root: Path) -> None:
    """Make the folder in which lakes leave their marks."""
    (root / FOLDER).mkdir(exist_ok=True)


def marks(root: Path) -> list[Mark]:
    """Return the marks; one that cannot be read says that its lake has read nothing."""
    return [_mark(path) for path in sorted((root / FOLDER).glob("*.json"))]


def oldest_erasure(files: Batches, found: list[Mark]) -> int | None:
    """Return when the oldest erasure was that a lake has not applied, in ms since 1970."""
    applied = min((each.erasures for each in found), default=None)
    if applied is None:
        return None
    left = [each for each in files.lists() if each > applied]
    return min(left)[0] if left else None


def listed(files: Batches) -> int | None:
    """Return when the newest list of erasures was written, in ms since 1970."""
    found = max(files.lists().items(), default=None)
    return None if found is None else int(found[1].stat().st_mtime * 1000)


def _mark(path: Path) -> Mark:
    try:
        found: Any = orjson.loads(path.read_bytes())
        through, erasures, at = found["through"], found["erasures"], found["at"]
        if type(through) is not int:
            raise ValueError("through is no number")
        return Mark(path.name, through, (0, 0) if erasures is None else order(erasures), str(at))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        logger.error("%s cannot be read (%s): all files are kept for it", path, str(error)[:100])
        return Mark(path.name, 0, (0, 0), "never")
