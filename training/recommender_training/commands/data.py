"""Commands on the lake: data come in and are checked, and small files become large ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training import clock
from recommender_training.commands.outcome import Outcome
from recommender_training.data import compaction, ingest, lake, past, snapshots
from recommender_training.data.mapping import Format, parse_mapping
from recommender_training.data_checks import files
from recommender_training.data_checks import run as data_checks
from recommender_training.data_checks.policy import parse_checks
from recommender_training.errors import InputError


def check(arguments: argparse.Namespace) -> Outcome:
    """Check new data, or those of a time that has been."""
    if arguments.source is None:
        return _check_past(arguments)
    return check_source(arguments, arguments.lake)


def check_source(arguments: argparse.Namespace, path: Path) -> Outcome:
    """Take new rows into the lake at `path` and check them.

    Raises InputError `DataChecksFailed` where a check blocks.
    """
    kind = Format(arguments.format)
    checks = parse_checks(arguments.checks)
    result = ingest.check(
        arguments.source,
        path,
        kind=kind,
        mapping=parse_mapping(arguments.mapping, kind),
        window_days=arguments.window_days,
        min_rows=arguments.min_rows,
        max_quarantined_share=arguments.max_quarantined_share,
    )
    message = (
        f"{result.rows} rows from {result.window_start} to {result.window_end}, "
        f"{result.new_rows} of them new, {result.quarantined_rows} quarantined"
    )
    found = data_checks.run(
        path,
        result.data_version,
        checks,
        window_days=arguments.window_days,
        against=arguments.against,
        aside=result.aside,
    )
    return _said(message, result, found)


def _check_past(arguments: argparse.Namespace) -> Outcome:
    """Check a data version that the lake had; nothing is taken in.

    Raises InputError `DataChecksFailed` where a check blocks.
    """
    path, checks = arguments.lake, parse_checks(arguments.checks)
    if arguments.as_of is None:
        taken = snapshots.of_version(snapshots.read(path), arguments.data_version)
    else:
        taken = past.find(path, arguments.as_of, clock.seconds())
    data_version = arguments.data_version if taken is None else taken.data_version
    result = past.check(
        path,
        data_version,
        window_days=arguments.window_days,
        min_rows=arguments.min_rows,
        taken=taken,
        aside=files.read_aside(path, data_version),
    )
    of = data_version if taken is None else f"{data_version} of {taken.time}"
    message = f"{result.rows} rows from {result.window_start} to {result.window_end} in {of}"
    found = data_checks.run(
        path,
        data_version,
        checks,
        window_days=arguments.window_days,
        against=arguments.against,
        aside=result.aside,
        past=True,
    )
    return _said(message, result, found)


def _said(message: str, result: ingest.CheckResult, found: data_checks.Outcome) -> Outcome:
    fields = {**result.fields(), "checks": found.summary()}
    if found.blocked:
        raise InputError("DataChecksFailed", f"{found.words()}; all in {found.path}", **fields)
    return f"{message}; {found.words()}", fields


def compact(arguments: argparse.Namespace) -> Outcome:
    """Make small files one, and remove those that nobody needs."""
    compaction.check_retention(arguments.retention_hours)
    if arguments.keep_snapshots is not None and arguments.lake.is_dir():
        with lake.locked(arguments.lake):
            snapshots.trim(arguments.lake, arguments.keep_snapshots)
    done = compaction.compact(
        arguments.lake,
        keep=files.referenced(arguments.lake, arguments.artifacts, arguments.keep),
        retention_hours=arguments.retention_hours,
    )
    message = f"{done.partitions} partitions compacted, {done.files_removed} files removed"
    return message, {"partitions": done.partitions, "filesRemoved": done.files_removed}
