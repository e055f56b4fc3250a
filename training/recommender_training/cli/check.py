"""`check`: new data come into the lake and are checked, or those of a past time are."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common import clock
from recommender_training.common.errors import InputError
from recommender_training.data import snapshots
from recommender_training.data_checks import lake_files
from recommender_training.data_checks import run as data_checks
from recommender_training.data_checks.policy import parse_checks
from recommender_training.ingestion import ingest, time_travel
from recommender_training.ingestion.mapping import Format, parse_mapping


def add(verbs: Verbs) -> None:
    """Add the command."""
    check = options.verb(
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
    options.raw_format(check)
    check.belong(source, "--format", "--mapping", "--max-quarantined-share")
    options.check_limits(check)
    options.lake(check)
    options.report(check)


def run(arguments: argparse.Namespace) -> Outcome:
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
        taken = time_travel.find(path, arguments.as_of, clock.seconds())
    data_version = arguments.data_version if taken is None else taken.data_version
    result = time_travel.check(
        path,
        data_version,
        window_days=arguments.window_days,
        min_rows=arguments.min_rows,
        taken=taken,
        aside=lake_files.read_aside(path, data_version),
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
