"""Many small files of a partition made one, and files that no version needs any more removed.

Each check adds a file to every partition that it has rows for, and late rows come for days. Small
files are rewritten by Delta's `optimize`: a new version of the table with the same rows, committed
at once. A process that is killed before leaves files that no version names; older versions keep
the files that they had until a vacuum, which spares every version that something still refers to.
Half-written files go with the next compaction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.data import lake

#: Files of a partition that are left as they are; one more, and they become one.
MAX_FILES = 16
#: Files from this size on are no small ones.
SMALL_BYTES = 32 * 1024 * 1024
#: What a vacuum leaves at least: a training that has begun reads what it was given.
MIN_RETENTION_HOURS = 24
#: How a file is named while delta-rs writes it (the local store of object_store). Such names are
#: left out of its listings, so that no vacuum removes those of a process that was killed.
_UNFINISHED = re.compile(r"#\d+$")
_TABLES = ("interactions", "users", "items", "ids", "quarantine", "batches")
_PARTITION = ["partition.event_date", "partition.segment"]
#: Tables that checks only add rows to, and of which no data version names a version.
_ADDED_TO = ("ids", "quarantine", "batches")


@dataclass(frozen=True)
class Compacted:
    """What was done to the tables of a lake."""

    partitions: int  # whose small files became one
    files_removed: int


def compact_interactions(path: Path, max_files: int | None = None) -> int:
    """Compact the partitions with more than `max_files` (MAX_FILES) small files; their number.

    The rows stay what they are. Once more does nothing. The caller holds the lock of the lake.
    """
    try:
        table = DeltaTable(str(path / "interactions"))
    except TableNotFoundError:
        return 0
    crowded = _crowded(table, MAX_FILES if max_files is None else max_files)
    if crowded:
        dates = sorted({date for date, _ in crowded})
        lake.keep_log(path, "interactions")
        table = DeltaTable(str(path / "interactions"))
        table.optimize.compact([("event_date", "in", dates)], target_size=SMALL_BYTES)
        say(f"lake: {len(crowded)} partitions of interactions had many small files; compacted")
    return len(crowded)


def compact_notes(path: Path, max_files: int | None = None) -> int:
    """Compact the tables of texts of ids, of rows put aside and of files that were read, where
    more than `max_files` (MAX_FILES) small files are beside one another; how many partitions.

    The caller holds the lock of the lake. A table without partitions counts as one.
    """
    found = 0
    for name in _ADDED_TO:
        try:
            table = DeltaTable(str(path / name))
        except TableNotFoundError:
            continue
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
        parts = [column for column in actions.columns if column.startswith("partition.")]
        small = actions.filter(pl.col("size_bytes") < SMALL_BYTES)
        beside = small.group_by(parts or pl.lit(name)).len()["len"]
        crowded = int((beside > (MAX_FILES if max_files is None else max_files)).sum())
        if crowded:
            table.optimize.compact(target_size=SMALL_BYTES)
        found += crowded
    return found


def compact(
    path: Path, *, keep: Iterable[str], max_files: int = 1, retention_hours: int = 168
) -> Compacted:
    """Compact the interactions, then remove files that no version needs.

    Kept are the newest version of each table, the data versions `keep` (`kept_by_artifacts` tells
    those of artifacts), and whatever was needed in the last `retention_hours`. Once more does
    nothing. Raises InputError: DataMissing, DataVersionMissing, InvalidRetention.
    """
    check_retention(retention_hours)
    if lake.newest(path, "interactions") is None:
        raise InputError("DataMissing", f"{path} has no table of interactions; run `check` first")
    with lake.locked(path):
        spared = [lake.table_versions(version) for version in sorted(set(keep))]
        partitions = compact_interactions(path, max_files) + compact_notes(path, max_files)
        removed = 0
        for name in _TABLES:
            versions = sorted({found[name] for found in spared if name in found})
            removed += _vacuum(path / name, versions, retention_hours)
            removed += _remove_unfinished(path / name)
    return Compacted(partitions, removed)


def check_retention(hours: int) -> None:
    """Raises InputError `InvalidRetention` where a vacuum would leave less than it has to."""
    if hours < MIN_RETENTION_HOURS:
        raise InputError(
            "InvalidRetention",
            f"a retention of {hours} hours would take files from trainings that run; "
            f"give {MIN_RETENTION_HOURS} or more",
        )


def kept_by_artifacts(folder: Path) -> set[str]:
    """Data versions of the artifacts below `folder`.

    Raises InputError `DataMissing` where there is no such folder, and `ArtifactInvalid` for a
    manifest that cannot be read: nothing is removed on the word of a wrong path or a damaged file.
    """
    if not folder.is_dir():
        raise InputError(
            "DataMissing",
            f"{folder} is no folder of artifacts; name the one whose versions need this lake",
        )
    found = set()
    for path in sorted(folder.glob("*/manifest.json")):
        try:
            found.add(str(json.loads(path.read_text())["dataVersion"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                "ArtifactInvalid",
                f"{path} does not tell its data version ({error!r}); restore or remove it, so "
                "that its data are not removed unseen",
            ) from error
    return found


def _crowded(table: DeltaTable, max_files: int) -> list[tuple[str, str]]:
    """Date and segment of the partitions with more than `max_files` small files, in order."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    small = actions.filter(pl.col("size_bytes") < SMALL_BYTES)
    crowded = small.group_by(_PARTITION).len().filter(pl.col("len") > max_files)
    return crowded.select(_PARTITION).sort(_PARTITION).rows()


def _vacuum(path: Path, versions: list[int], hours: int) -> int:
    """Remove what no version needs; the number of files.

    Delta says which these are, also those that are gone, for as long as its log remembers them.
    Its own removal would commit twice, and a data version of the same rows would get a new name.
    """
    try:
        table = DeltaTable(str(path))
    except TableNotFoundError:
        return 0
    listed = table.vacuum(
        retention_hours=hours,
        dry_run=True,
        enforce_retention_duration=False,
        full=True,
        keep_versions=_readable(path, versions) or None,
    )
    named = [(path / name, path / unquote(name)) for name in listed]
    there = [file for names in named for file in sorted({*names}) if file.is_file()]
    for file in there:
        file.unlink()
    return len(there)


def _readable(path: Path, versions: list[int]) -> list[int]:
    """Those whose entry is in the log: earlier releases let Delta remove entries of 30 days."""
    there = [number for number in versions if (path / f"_delta_log/{number:020}.json").exists()]
    for number in sorted({*versions} - {*there}):
        say(f"lake: version {number} of {path.name} is not in its log: nothing to keep of it")
    return there


def _remove_unfinished(path: Path) -> int:
    """Remove what killed writers left of files; their number. All writers hold the lake's lock."""
    found = [each for each in path.rglob("*#*") if _UNFINISHED.search(each.name)]
    for each in found:
        each.unlink()
    return len(found)
