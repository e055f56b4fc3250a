"""Commands that make data to try things with."""

from __future__ import annotations

import argparse

from recommender_training import demo, movielens, synthetic
from recommender_training.commands.outcome import Outcome


def fetch(arguments: argparse.Namespace) -> Outcome:
    """Put MovieLens 100K into a folder."""
    movielens.fetch(arguments.destination)
    return f"MovieLens 100K is at {arguments.destination}", {}


def make_synthetic(arguments: argparse.Namespace) -> Outcome:
    """Generate interactions."""
    size = synthetic.Size(arguments.users, arguments.items, arguments.interactions)
    synthetic.generate(arguments.destination, size, arguments.seed)
    return f"{arguments.interactions} interactions at {arguments.destination}", {}


def write_demo(arguments: argparse.Namespace) -> Outcome:
    """Write the data of the demo."""
    counts = demo.write_demo(
        arguments.movielens, arguments.output, arguments.seed, arguments.sessions
    )
    return f"demo data at {arguments.output}", dict(counts)
