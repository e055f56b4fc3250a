"""`recalibrate`: stage an artifact with a new calibration, without a training."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_contract.job_reports import RecalibrateFields
from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.config.recalibration import parse_recalibration


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(
        verbs, "recalibrate", "stage a published artifact with a new calibration; trains nothing"
    )
    command.add_argument("--artifact", type=Path, required=True, help="published, read only")
    command.add_argument("--digest", required=True, help="sha256:... of its manifest")
    command.add_argument(
        "--recalibration",
        required=True,
        metavar="JSON",
        help="`spec.recalibration` of the version: slope and shift of the log-odds, and the "
        "labels that they are fitted to",
    )
    command.add_argument(
        "--output", type=Path, required=True, help="folder to stage the artifact in"
    )
    options.add_report(command)


def run(arguments: argparse.Namespace) -> Outcome:
    """Recalibrate and stage the artifact."""
    made = parse_recalibration(arguments.recalibration)
    from recommender_training.pipeline import recalibrate  # torch takes seconds to import

    done = recalibrate.recalibrate(arguments.artifact, arguments.digest, made, arguments.output)
    message = (
        f"{made.of}: log-odds times {made.slope:.4f} {made.shift:+.4f}; "
        f"{done.reordered:.1%} of the compared lists have another order, of near ties"
    )
    fields = RecalibrateFields(staged_path=str(arguments.output), digest=done.digest)
    return message, fields.fields()
