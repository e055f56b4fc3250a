"""`synthetic`: generate a data set as raw files."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.samples import synthetic


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(verbs, "synthetic", "generate a data set in the format MovieLens100K")
    command.add_argument("destination", type=Path)
    command.add_argument("--users", type=options.positive, default=200)
    command.add_argument("--items", type=options.positive, default=150)
    command.add_argument("--interactions", type=options.positive, default=8000)
    command.add_argument("--seed", type=int, default=17)


def run(arguments: argparse.Namespace) -> Outcome:
    """Generate interactions."""
    size = synthetic.Size(arguments.users, arguments.items, arguments.interactions)
    synthetic.generate(arguments.destination, size, arguments.seed)
    return f"{arguments.interactions} interactions at {arguments.destination}", {}
