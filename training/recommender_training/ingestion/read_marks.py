"""Marks that lakes leave beside the files of the collector: `<source>/_lakes/<lake>.json`.

A mark says through which batch a lake has read the files, and through which list it has erased
users. The collector's writer removes old batches only if every mark is past them, and tells from
the marks which erasures lakes still have to apply. It makes the folder; without it, or if it is
mounted read-only, a lake leaves no mark.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from recommender_contract.resource.mapping import Format
from recommender_training.common import clock
from recommender_training.common.progress import say
from recommender_training.data import json_records, time_format
from recommender_training.ingestion import erasure_list
from recommender_training.ingestion.mapping import Mapping

FOLDER = "_lakes"
SCHEMA = "recommender.dev/lake-mark/v1"
_BATCH = re.compile(r"[0-9]{12}")
_OFFSET = re.compile(r"([0-9]+)-([0-9]+)")


@contextlib.contextmanager
def marking(source: Path, lake: Path, kind: Format, mapping: Mapping | None) -> Iterator[None]:
    """Mark what was there before the block as read by the lake, unless the block raises."""
    seen = files_to_read(source, kind, mapping)
    yield
    leave(source, lake, seen)


@dataclass(frozen=True)
class Seen:
    """State of the marks before a check read the files."""

    through: int  # number of the newest batch; 0 without one
    erasures: str | None  # name of the newest list


def files_to_read(source: Path, kind: Format, mapping: Mapping | None) -> Seen | None:
    """Return the files that a check is about to read.

    None if they are not the collector's, or if the mapping leaves some of its batches out.
    """
    if kind is not Format.JSON_LINES or mapping is None or not (source / FOLDER).is_dir():
        return None
    batches = [each.name for each in source.iterdir() if _BATCH.fullmatch(each.name)]
    pattern = PurePosixPath(mapping.interactions.files)
    if not all(_matches(name, pattern) for name in batches):
        say(f"check: mapping.interactions.files leaves out batches of {source}: they stay there")
        return None
    lists = (source / erasure_list.FOLDER).glob("*.jsonl")
    offsets = [each.stem for each in lists if _OFFSET.fullmatch(each.stem)]
    return Seen(max(map(int, batches), default=0), max(offsets, key=_order, default=None))


def leave(source: Path, lake: Path, seen: Seen | None) -> None:
    """Leave the mark that the lake has read all that was seen, if there is a place for it."""
    if seen is None:
        return
    try:
        identity = str(DeltaTable(str(lake / "interactions")).metadata().id)
    except TableNotFoundError:
        return
    mark = {
        "schema": SCHEMA,
        "lake": lake.name,
        "at": time_format.iso_time(clock.seconds()),
        "through": seen.through,
        "erasures": seen.erasures,
    }
    path = source / FOLDER / f"{re.sub('[^0-9A-Za-z-]', '-', identity)}.json"
    try:
        json_records.replace(path, mark)
    except OSError as error:
        say(
            f"check: {path} cannot be written ({error}): the collector's writer keeps the files "
            "past its retention, as it does not know that they were read"
        )


def _matches(batch: str, pattern: PurePosixPath) -> bool:
    parts = [part for part in pattern.parts if part != "**"]
    if len(parts) != 2 and not (len(parts) == 1 and "**" in pattern.parts):
        return False
    return PurePosixPath(batch, "interactions.jsonl").match("/".join(parts))


def _order(offset: str) -> tuple[int, int]:
    match = _OFFSET.fullmatch(offset)
    assert match is not None
    return int(match[1]), int(match[2])
