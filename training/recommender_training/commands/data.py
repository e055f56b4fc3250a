"""Commands on the lake: data come in, and small files become large ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training.commands.outcome import Outcome
from recommender_training.data import compaction, ingest
from recommender_training.data.mapping import Format, parse_mapping
from recommender_training.data_checks import files
from recommender_training.data_checks import run as data_checks
from recommender_training.data_checks.policy import parse_checks
from recommender_training.errors import InputError


def check(arguments: argparse.Namespace, lake: Path | None = None) -> Outcome:
    """Take new rows into the lake, by default that of the arguments, and check them.

    Raises InputError `DataChecksFailed` where a check blocks.
    """
    kind, lake = Format(arguments.format), lake or arguments.lake
    checks = parse_checks(arguments.checks)
    result = ingest.check(
        arguments.source,
        lake,
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
        lake,
        result.data_version,
        checks,
        window_days=arguments.window_days,
        against=arguments.against,
        aside=result.aside,
    )
    fields = {**result.fields(), "checks": found.summary()}
    if found.blocked:
        raise InputError("DataChecksFailed", f"{found.words()}; all in {found.path}", **fields)
    return f"{message}; {found.words()}", fields


def compact(arguments: argparse.Namespace) -> Outcome:
    """Make small files one, and remove those that nobody needs."""
    done = compaction.compact(
        arguments.lake,
        keep=files.referenced(arguments.lake, arguments.artifacts, arguments.keep),
        retention_hours=arguments.retention_hours,
    )
    message = f"{done.partitions} partitions compacted, {done.files_removed} files removed"
    return message, {"partitions": done.partitions, "filesRemoved": done.files_removed}
