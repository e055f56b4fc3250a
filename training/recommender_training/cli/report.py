"""`report`: locate or render the HTML report of an artifact."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.html_report import page_file


def add(verbs: Verbs) -> None:
    """Add the command."""
    page = options.verb(
        verbs, "report", "print the path of an artifact's report, or render it again"
    )
    page.add_argument(
        "folder",
        type=Path,
        metavar="RUN_FOLDER",
        help="an artifact, or the --work folder of a run",
    )
    page.add_argument(
        "--output", type=Path, metavar="FILE", help="render the page here, outside the artifact"
    )
    options.add_report(page)


def run(arguments: argparse.Namespace) -> Outcome:
    """Print the path of the page of an artifact, or render it again."""
    path = page_file.provide(arguments.folder, arguments.output)
    sys.stdout.write(f"{path}\n")
    sys.stdout.flush()
    return f"the report is at {path}", {"path": str(path)}
