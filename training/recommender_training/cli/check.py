"""`check`: ingest new data into the lake and check it, or check a past data version."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_contract.resource.mapping import Format
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


def add(verbs: Verbs) -> None:
    """Add the command."""
    check = options.verb(
        verbs,
        "check",
        "ingest raw files into the lake and check them; or check a past data version",
    )
    data = check.add_mutually_exclusive_group(required=True)
    source = data.add_argument("--source", type=Path, help="folder of the raw files")
    data.add_argument(
        "--data-version", metavar="VERSION", help="check this data version of the lake"
    )
    data.add_argument(
        "--as-of",
        metavar="TIME",
        help="check the newest snapshot up to this time, such as 2026-11-25T00:00:00Z",
    )
    options.raw_format(check, source)
    check.require(source, "--format", "--mapping", "--max-quarantined-share")
    options.check_limits(check)
    options.lake(check)
    options.add_report(check)


def run(arguments: argparse.Namespace) -> Outcome:
    """Check new data or a past data version.

    Raises InputError `DataChecksFailed` if a check blocks.
    """
    if arguments.source is None:
        return _check_past(arguments)
    return check_source(arguments, arguments.lake)


def check_source(arguments: argparse.Namespace, path: Path) -> Outcome:
    """Ingest new rows into the lake at `path` and check them.

    Raises InputError `DataChecksFailed` if a check blocks.
    """
    kind = Format(arguments.format)
    checks = parse_checks(arguments.checks)
    result = ingest.ingest_and_check(
        arguments.source,
        path,
        kind=kind,
        mapping=options.add_mapping(arguments, kind),
        window_days=arguments.window_days,
        min_rows=arguments.min_rows,
        max_quarantined_share=arguments.max_quarantined_share,
    )
    message = (
        f"{result.rows} rows from {result.window_start} to {result.window_end}, "
        f"{result.new_rows} of them new, {result.quarantined_rows} quarantined"
    )
    found = data_checks.run_checks(
        path,
        result.data_version,
        checks,
        window_days=arguments.window_days,
        against=arguments.against,
        quarantined=result.quarantined,
    )
    return _outcome(message, result, found)


def _check_past(arguments: argparse.Namespace) -> Outcome:
    """Check a past data version; ingest nothing."""
    path, checks = arguments.lake, parse_checks(arguments.checks)
    if arguments.as_of is None:
        snapshot = snapshots.of_version(snapshots.read_snapshots(path), arguments.data_version)
    else:
        snapshot = time_travel.find_version(path, arguments.as_of, clock.seconds())
    data_version = arguments.data_version if snapshot is None else snapshot.data_version
    result = time_travel.check_version(
        path,
        data_version,
        window_days=arguments.window_days,
        min_rows=arguments.min_rows,
        snapshot=snapshot,
        quarantined=lake_files.read_quarantined(path, data_version),
    )
    version = data_version if snapshot is None else f"{data_version} of {snapshot.time}"
    message = f"{result.rows} rows from {result.window_start} to {result.window_end} in {version}"
    found = data_checks.run_checks(
        path,
        data_version,
        checks,
        window_days=arguments.window_days,
        against=arguments.against,
        quarantined=result.quarantined,
        past=True,
    )
    return _outcome(message, result, found)


def _outcome(message: str, result: ingest.CheckResult, found: data_checks.Outcome) -> Outcome:
    fields = result.fields(checks=found.summary())
    if found.blocked:
        raise InputError(
            "DataChecksFailed", f"{found.text()}; all findings: {found.path}", **fields
        )
    return f"{message}; {found.text()}", fields
