"""Merge the small files of a partition, and remove files that no kept version needs.

Each check adds a file to every partition that it has rows for, and late rows arrive for days.
Delta's `optimize` rewrites small files in one commit, as a new version with the same rows. A
process killed before the commit leaves files outside all versions. A vacuum removes those, and the
files of older versions unless something still refers to the version. The next compaction removes
unfinished files.
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

from recommender_training.common import clock
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.data import data_versions, lake, schema_files

#: Small files that a partition may have; with more, they are merged.
MAX_FILES = 16
#: Files of this size or more are not small.
SMALL_BYTES = 32 * 1024 * 1024
#: Shortest retention of a vacuum: a running training still reads its files.
MIN_RETENTION_HOURS = 24
#: Name of a file while delta-rs (the local store of object_store) writes it. Its listings skip
#: such names, so a vacuum leaves those of a killed process.
_UNFINISHED = re.compile(r"#\d+$")
_TABLES = ("interactions", "users", "items", "explored", "ids", "quarantine", "batches")
_PARTITION = ["partition.event_date", "partition.segment"]
#: Append-only tables. No data version refers to a version of them.
_APPEND_ONLY = ("ids", "quarantine", "batches")


@dataclass(frozen=True)
class Compacted:
    """Result of a compaction."""

    partitions: int  # with merged files
    files_removed: int


def compact_interactions(path: Path, max_files: int | None = None) -> int:
    """Compact partitions with more than `max_files` (default: MAX_FILES) small files.

    Return the number of partitions. Rows do not change, and a second call does nothing. The caller
    holds the lock of the lake.
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
    """Compact the append-only tables as `compact_interactions` does the interactions.

    Return the number of partitions; a table without partitions counts as one. The caller holds the
    lock of the lake.
    """
    found = 0
    for name in _APPEND_ONLY:
        try:
            table = DeltaTable(str(path / name))
        except TableNotFoundError:
            continue
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
        parts = [column for column in actions.columns if column.startswith("partition.")]
        small = actions.filter(pl.col("size_bytes") < SMALL_BYTES)
        counts = small.group_by(parts or pl.lit(name)).len()["len"]
        crowded = int((counts > (MAX_FILES if max_files is None else max_files)).sum())
        if crowded:
            table.optimize.compact(target_size=SMALL_BYTES)
        found += crowded
    return found


def compact(
    path: Path, *, keep: Iterable[str], max_files: int = 1, retention_hours: int = 168
) -> Compacted:
    """Compact the tables, then remove files that no kept version needs.

    Keeps the newest version of each table, the data versions `keep` (`kept_by_artifacts` returns
    those of artifacts), and all files needed in the last `retention_hours`. Declarations of data
    versions that are not kept go with their files. A second call does nothing. Raises InputError:
    DataMissing, DataVersionMissing, InvalidRetention.
    """
    check_retention(retention_hours)
    if lake.newest(path, "interactions") is None:
        raise InputError("DataMissing", f"{path} has no table of interactions; run `check` first")
    with lake.locked(path):
        wanted = sorted(set(keep))
        kept = [data_versions.table_versions(version) for version in wanted]
        partitions = compact_interactions(path, max_files) + compact_notes(path, max_files)
        removed = 0
        for name in _TABLES:
            versions = sorted({found[name] for found in kept if name in found})
            removed += vacuum(path / name, versions, retention_hours)
            removed += remove_unfinished(path / name)
        before = clock.seconds() - 3600 * retention_hours
        removed += schema_files.forget_schemas(path, wanted, before)
    return Compacted(partitions, removed)


def check_retention(hours: int) -> None:
    """Raise InputError `InvalidRetention` if the retention is below MIN_RETENTION_HOURS."""
    if hours < MIN_RETENTION_HOURS:
        raise InputError(
            "InvalidRetention",
            f"retention hours: {hours} would remove files that running trainings read; "
            f"give {MIN_RETENTION_HOURS} or more",
        )


def kept_by_artifacts(folder: Path) -> set[str]:
    """Return the data versions of the artifacts below `folder`.

    Raises InputError as `versions_of_artifacts` does.
    """
    return {*versions_of_artifacts(folder).values()}


def versions_of_artifacts(folder: Path) -> dict[str, str]:
    """Return the data version of each artifact below `folder`, by its name.

    Raises InputError `DataMissing` if there is no such folder, and `ArtifactInvalid` for an
    unreadable manifest, so that a wrong path or a damaged file removes no data.
    """
    if not folder.is_dir():
        raise InputError(
            "DataMissing",
            f"{folder} is not a folder of artifacts; give the one whose versions use this lake",
        )
    found = {}
    for path in sorted(folder.glob("*/manifest.json")):
        try:
            found[path.parent.name] = str(json.loads(path.read_text())["dataVersion"])
        except FileNotFoundError:
            continue  # a removal runs
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                "ArtifactInvalid",
                f"{path} has no readable data version ({error!r}); restore or remove the file, so "
                "that no data in use is removed",
            ) from error
    return found


def _crowded(table: DeltaTable, max_files: int) -> list[tuple[str, str]]:
    """Return date and segment of the partitions with more than `max_files` small files, sorted."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    small = actions.filter(pl.col("size_bytes") < SMALL_BYTES)
    crowded = small.group_by(_PARTITION).len().filter(pl.col("len") > max_files)
    return crowded.select(_PARTITION).sort(_PARTITION).rows()


def vacuum(path: Path, versions: list[int], hours: int) -> int:
    """Remove files that no kept version needs; return their number.

    Delta lists these files, including files removed earlier that its log still names. Its own
    removal would commit twice, and the same rows would get a new data version.
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
    present = [file for names in named for file in sorted({*names}) if file.is_file()]
    for file in present:
        file.unlink()
    return len(present)


def _readable(path: Path, versions: list[int]) -> list[int]:
    """Return the versions with an entry in the log; earlier releases expired it after 30 days."""
    present = [number for number in versions if (path / f"_delta_log/{number:020}.json").exists()]
    for number in sorted({*versions} - {*present}):
        say(f"lake: the log of {path.name} no longer has version {number}; nothing to keep")
    return present


def remove_unfinished(path: Path) -> int:
    """Remove unfinished files of killed writers; return their number.

    All writers hold the lock of the lake.
    """
    found = [each for each in path.rglob("*#*") if _UNFINISHED.search(each.name)]
    for each in found:
        each.unlink()
    return len(found)
