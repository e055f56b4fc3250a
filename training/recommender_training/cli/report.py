"""`report`: the HTML report of an artifact."""

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
        verbs, "report", "print where the report of an artifact is, or make it anew"
    )
    page.add_argument(
        "folder", type=Path, metavar="RUN_FOLDER", help="an artifact, or the --work of one run"
    )
    page.add_argument(
        "--output", type=Path, metavar="FILE", help="make the page anew here, outside the artifact"
    )
    options.report(page)


def run(arguments: argparse.Namespace) -> Outcome:
    """Say where the page of an artifact is, or make it anew."""
    path = page_file.provide(arguments.folder, arguments.output)
    sys.stdout.write(f"{path}\n")
    sys.stdout.flush()
    return f"the report is at {path}", {"path": str(path)}
