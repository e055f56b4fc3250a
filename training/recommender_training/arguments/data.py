"""Arguments of the commands on the lake."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training.arguments import common
from recommender_training.arguments.common import Verbs


def add(verbs: Verbs) -> None:
    """Add the commands on the lake."""
    check = common.verb(verbs, "check", "ingest raw files into the lake and check them")
    checked(check)
    check.add_argument("--lake", type=Path, required=True, help="folder of the Delta tables")
    common.reported(check)
    compact = common.verb(
        verbs,
        "compact",
        "make one file of the small files of each partition of a lake, and remove files that no "
        "data version of --artifacts, of --keep or of the last days needs",
    )
    compact.add_argument("--lake", type=Path, required=True, help="folder of the Delta tables")
    compact.add_argument(
        "--artifacts", type=Path, required=True, help="<claim>/artifacts/<model>; only read"
    )
    compact.add_argument("--keep", action="append", default=[], metavar="VERSION")
    compact.add_argument("--retention-hours", type=common.positive, default=168, metavar="N")
    common.reported(compact)


def checked(command: argparse.ArgumentParser) -> None:
    """Add what says where the raw data are and what they are held to."""
    command.add_argument("--source", type=Path, required=True, help="folder of the raw files")
    command.add_argument(
        "--format",
        choices=["MovieLens100K", "CSV", "JSONLines", "Parquet", "Delta"],
        default="MovieLens100K",
        help="layout of the raw files (default: MovieLens100K)",
    )
    command.add_argument(
        "--mapping",
        metavar="JSON|@FILE",
        help="which column of which files is what, for all formats but MovieLens100K: "
        "`spec.data.source.mapping` of the resource, or a file that holds it",
    )
    command.add_argument(
        "--window-days",
        type=common.positive,
        metavar="N",
        help="only the last N days (default: all)",
    )
    command.add_argument("--min-rows", type=common.positive, default=1000, metavar="N")
    command.add_argument("--max-quarantined-share", type=common.share, default=0.01, metavar="F")
    command.add_argument(
        "--checks",
        default="{}",
        metavar="JSON",
        help="limits and levels of the checks, `spec.data.checks` of the resource (default: {})",
    )
    command.add_argument(
        "--against",
        metavar="VERSION",
        help="data version to compare with (default: that of the last training in this lake)",
    )
