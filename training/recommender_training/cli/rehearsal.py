"""Rehearse `check` on a small source with a proposed mapping, in a lake that is thrown away."""

from __future__ import annotations

import tempfile
from pathlib import Path

from recommender_training.cli import options
from recommender_training.common import progress
from recommender_training.common.errors import InputError
from recommender_training.data_checks import run as data_checks
from recommender_training.data_checks.policy import Checks
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping import Format, Mapping


def refusal(source: Path, kind: Format, mapping: Mapping, now: int) -> str:
    """Return why `check` with its defaults would refuse the data, or nothing."""
    with tempfile.TemporaryDirectory() as folder, progress.silence():
        lake = Path(folder) / "lake"
        try:
            result = ingest.check(
                source, lake, kind=kind, mapping=mapping, now=now, min_rows=options.MIN_ROWS
            )
            found = data_checks.run(lake, result.data_version, Checks())
        except InputError as error:
            return f"{error.reason}: {error.message}".replace(folder, "")
    return "; ".join(finding.text() for finding in found.blocked)
