"""`demo-data`: write the data of the demo."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.samples import demo


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(
        verbs, "demo-data", "split MovieLens into training data and replayed traffic"
    )
    command.add_argument("--movielens", type=Path, required=True, help="folder of the raw files")
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--seed", type=int, default=17)
    command.add_argument(
        "--sessions", type=options.positive, default=20_000, help="requests per traffic file"
    )


def run(arguments: argparse.Namespace) -> Outcome:
    """Write the data of the demo."""
    counts = demo.write_demo(
        arguments.movielens, arguments.output, arguments.seed, arguments.sessions
    )
    return f"demo data at {arguments.output}", dict(counts)
