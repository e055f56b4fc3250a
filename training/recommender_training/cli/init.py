"""`init`: look at raw files and propose a mapping, for a person to edit."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from recommender_contract.resource.checks import DataChecks
from recommender_contract.resource.mapping import Format
from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common import progress
from recommender_training.common.durable_files import write_bytes
from recommender_training.common.errors import InputError
from recommender_training.data_checks import run as data_checks
from recommender_training.ingestion import file_preview, ingest, mapping_trial, propose
from recommender_training.ingestion.mapping import Mapping
from recommender_training.ingestion.mapping_trial import TrialResult
from recommender_training.ingestion.propose import Line, Proposal


def rehearsal_refusal(source: Path, kind: Format, mapping: Mapping, now: int) -> str:
    """Return the reason for which `check` with its defaults would refuse the data, or ""."""
    with tempfile.TemporaryDirectory() as folder, progress.silence():
        lake = Path(folder) / "lake"
        try:
            result = ingest.ingest_and_check(
                source, lake, kind=kind, mapping=mapping, now=now, min_rows=options.MIN_ROWS
            )
            found = data_checks.run_checks(lake, result.data_version, DataChecks())
        except InputError as error:
            return f"{error.reason}: {error.message}".replace(folder, "")
    return "; ".join(finding.text() for finding in found.blocked)


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(
        verbs,
        "init",
        "look at the first rows of CSV, JSON lines or Parquet files, and propose a mapping with a "
        "kind of each column, to edit",
    )
    command.add_argument("data", type=Path, metavar="DATA", help="folder of the raw files")
    command.add_argument(
        "--output", type=Path, metavar="FILE", help="write the mapping here, which must be new"
    )
    options.add_report(command)


def run(arguments: argparse.Namespace) -> Outcome:
    """Print the columns of raw files, print or write a mapping of them, and prove it on rows.

    Raises InputError: OutputExists, DataMissing, UnreadableData, InvalidMapping,
    TooManyQuarantinedRows if no row of the interactions passes.
    """
    output: Path | None = arguments.output
    if output is not None and output.exists():
        raise InputError(
            "OutputExists", f"{output} exists, perhaps with edits; move it or give another name"
        )
    found = propose.propose(file_preview.preview_tables(arguments.data))
    proofs, notes, refusal = _proven(arguments.data, found)
    text = json.dumps(found.mapping, indent=2, ensure_ascii=False) + "\n"
    sys.stdout.writelines(f"{line}\n" for line in _lines(found.lines))
    sys.stdout.writelines(f"left out: {table}\n" for table in found.unused)
    if output is None:
        sys.stdout.write("\n" + text)
    else:
        write_bytes(output, text.encode())
    sys.stdout.writelines(f"{line}\n" for proof in proofs for line in ("", *proof.lines()))
    sys.stdout.writelines(f"\n{note}\n" for note in notes)
    sys.stdout.flush()
    mapping_trial.check_trial(proofs)
    where = "above" if output is None else f"in {output}"
    message = (
        f"the mapping {where} is a proposal from the first {file_preview.ROWS} rows: edit it, "
        f"then run check --source {arguments.data} --format {found.kind} --mapping @FILE"
    )
    failed = [each.table for each in proofs if not each.fits]
    if failed:
        message = f"not all rows or files of {' and '.join(failed)} fit, see above why: {message}"
    elif refusal:
        message = f"a check would refuse these files, see above why: {message}"
    return message, {"format": found.kind.value, "columns": len(found.lines)}


def _proven(source: Path, found: Proposal) -> tuple[list[TrialResult], list[str], str]:
    """Prove a proposal, after changes without which no check would accept it.

    Returns the proofs, what to know about the changes and the check of a small source, and why
    that check would refuse the files, if it would.
    """
    now, notes, refusal = int(time.time()), [], ""
    while True:
        mapping = Mapping.model_validate(found.mapping, extra="forbid")
        proofs = mapping_trial.try_mapping(source, mapping, found.kind, now)
        left_out = mapping_trial.leave_out(found.mapping, proofs)
        if not left_out:
            break
        notes += left_out
    if shorter := mapping_trial.fit_window(found.mapping, proofs):
        notes.append(shorter)
    if all(proof.whole for proof in proofs):
        mapping = Mapping.model_validate(found.mapping, extra="forbid")
        refusal = rehearsal_refusal(source, found.kind, mapping, now)
        notes.append(f"check of these files: {refusal or 'nothing blocks a training'}")
    return proofs, notes, refusal


def _lines(lines: Sequence[Line]) -> list[str]:
    """Return a table of the columns, one text per line."""
    head = ("TABLE", "COLUMN", "USE", "DISTINCT", "MISSING", "WARNING")
    texts = [head, *(tuple(map(str, astuple(line))) for line in lines)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in texts
    ]
