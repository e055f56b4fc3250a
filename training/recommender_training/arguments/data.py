"""Arguments of the commands on the lake."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training.arguments import common
from recommender_training.arguments.common import Verbs

_FORMATS = ["MovieLens100K", "CSV", "JSONLines", "Parquet", "Delta"]


def add(verbs: Verbs) -> None:
    """Add the commands on the lake."""
    _check(verbs)
    _snapshot(verbs)
    snapshots = common.verb(verbs, "snapshots", "print the record of the snapshots of a lake")
    common.lake(snapshots)
    snapshots.add_argument("--json", action="store_true", help="as JSON")
    common.reported(snapshots)
    compact = common.verb(
        verbs,
        "compact",
        "make one file of the small files of each partition of a lake, and remove files that no "
        "data version of --artifacts, of snapshots, of --keep or of the last days needs",
    )
    common.lake(compact)
    compact.add_argument(
        "--artifacts", type=Path, required=True, help="<claim>/artifacts/<model>; only read"
    )
    compact.add_argument(
        "--keep-snapshots",
        type=common.positive,
        metavar="N",
        help="let go of all but the newest N entries of the record (default: keep all)",
    )
    _spared(compact)
    common.reported(compact)


def sourced(command: argparse.ArgumentParser) -> None:
    """Add where the raw data are, and how they are read."""
    command.add_argument("--source", type=Path, required=True, help="folder of the raw files")
    _read(command)


def judged(command: argparse.ArgumentParser) -> None:
    """Add what a data version is held to."""
    command.add_argument(
        "--window-days",
        type=common.positive,
        metavar="N",
        help="only the last N days (default: all)",
    )
    command.add_argument("--min-rows", type=common.positive, default=1000, metavar="N")
    command.add_argument(
        "--checks",
        default="{}",
        metavar="JSON",
        help="limits and levels of the checks, `spec.data.checks` of the resource (default: {})",
    )
    command.add_argument(
        "--against",
        metavar="VERSION",
        help="data version to compare with (default: that of the last training in this lake; of "
        "the past, what it was compared with)",
    )


def _check(verbs: Verbs) -> None:
    check = common.verb(
        verbs,
        "check",
        "ingest raw files into the lake and check them; or check the data version of a time that "
        "has been",
    )
    of = check.add_mutually_exclusive_group(required=True)
    source = of.add_argument("--source", type=Path, help="folder of the raw files")
    of.add_argument("--data-version", metavar="VERSION", help="one that the lake had; no source")
    of.add_argument(
        "--as-of",
        metavar="TIME",
        help="the newest snapshot that is not after this time, as 2026-11-25T00:00:00Z; no source",
    )
    _read(check)
    check.belong(source, "--format", "--mapping", "--max-quarantined-share")
    judged(check)
    common.lake(check)
    common.reported(check)


def _snapshot(verbs: Verbs) -> None:
    snapshot = common.verb(
        verbs,
        "snapshot",
        "ingest raw files into the lake, record the data version that it then has, and remove "
        "files that only older entries of the record needed",
    )
    sourced(snapshot)
    common.lake(snapshot)
    snapshot.add_argument(
        "--keep-snapshots",
        type=common.positive,
        default=30,
        metavar="N",
        help="entries of the record that stay, the newest (default: 30)",
    )
    snapshot.add_argument(
        "--artifacts", type=Path, help="<claim>/artifacts/<model>; only read, and may be missing"
    )
    _spared(snapshot)
    common.reported(snapshot)


def _read(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--format",
        choices=_FORMATS,
        default="MovieLens100K",
        help="layout of the raw files (default: MovieLens100K)",
    )
    command.add_argument(
        "--mapping",
        metavar="JSON|@FILE",
        help="which column of which files is what, for all formats but MovieLens100K: "
        "`spec.data.source.mapping` of the resource, or a file that holds it",
    )
    command.add_argument("--max-quarantined-share", type=common.share, default=0.01, metavar="F")


def _spared(command: argparse.ArgumentParser) -> None:
    """Add what a vacuum leaves besides."""
    command.add_argument("--keep", action="append", default=[], metavar="VERSION")
    command.add_argument("--retention-hours", type=common.positive, default=168, metavar="N")
