"""`shop`: generate the log of a shop with known click probabilities."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_examples import shop
from recommender_examples.shop_settings import Broken, Defect, Drift, RawFormat, Settings
from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common.errors import InputError

_EXAMPLES = """examples:
  recommender-examples shop --out build/shop
  recommender-examples shop --out build/shop --users 100000 --items 50000 \\
      --impressions 10000000 --days 60 --positive-rate 0.002 --format JSONLines
  recommender-examples shop --out build/shop --drift price@20
  recommender-examples shop --out build/shop --broken device@24
  recommender-examples shop --out build/shop --broken brand@24 --defect WrongCategory
  recommender-examples shop --out build/shop --all-kinds

DIR/raw holds the log of the shop: users, items, impressions with clicks. DIR/truth holds the
click probability of each impression; a model must not read it."""
_SIZES = Settings()


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(
        verbs, "shop", "generate the log of a shop with the true click probabilities"
    )
    command.epilog, command.formatter_class = _EXAMPLES, argparse.RawDescriptionHelpFormatter
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    for name, text in (
        ("users", "number of users"),
        ("items", "number of items"),
        ("impressions", "number of impressions, rounded up to full pages"),
        ("days", "length of the log in days"),
    ):
        default = getattr(_SIZES, name)
        command.add_argument(
            f"--{name}",
            type=options.positive,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )
    _add_contents(command)
    _add_changes(command)
    command.set_defaults(run=run)
    command.add_argument("--seed", type=int, default=17)
    command.add_argument(
        "--format", choices=[*RawFormat], default=RawFormat.PARQUET, help="(default: Parquet)"
    )


def _add_contents(command: options.Parser) -> None:
    command.add_argument(
        "--positive-rate",
        type=options.share,
        default=_SIZES.positive_rate,
        metavar="F",
        help="share of impressions that are clicked, 0.001 to 0.01 (default: 0.004)",
    )
    command.add_argument(
        "--new-item-share",
        type=options.share,
        default=_SIZES.new_item_share,
        metavar="F",
        help="share of items that are created during the log, up to 0.5 (default: 0.1)",
    )
    command.add_argument(
        "--all-kinds",
        action="store_true",
        help="users and requests also have lists, vectors and times that matter",
    )


def _add_changes(command: options.Parser) -> None:
    command.add_argument(
        "--drift",
        metavar="FEATURE@DAY",
        help="change the distribution of the feature from DAY on; the first day is 0",
    )
    broken = command.add_argument(
        "--broken",
        metavar="FEATURE@DAY",
        help="log wrong values of the feature from DAY on; users click as before",
    )
    command.add_argument(
        "--defect",
        choices=[*Defect],
        default=Defect.NULL,
        help="how the broken feature is logged (default: Null)",
    )
    command.require(broken, "--defect")


def run(arguments: argparse.Namespace) -> Outcome:
    """Generate the shop."""
    drift, broken = (_change(name, getattr(arguments, name)) for name in ("drift", "broken"))
    settings = Settings(
        arguments.users,
        arguments.items,
        arguments.impressions,
        arguments.days,
        arguments.positive_rate,
        arguments.new_item_share,
        Drift(*drift) if drift else None,
        Broken(*broken, Defect(arguments.defect)) if broken else None,
    )
    counts = shop.write(
        arguments.out,
        settings,
        arguments.seed,
        RawFormat(arguments.format),
        all_kinds=arguments.all_kinds,
    )
    return f"{counts['impressions']} impressions at {arguments.out}", dict(counts)


def _change(name: str, text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    feature, _, day = text.rpartition("@")
    if not feature or not day.isdecimal():
        raise InputError(
            "InvalidShop", f"--{name}={text!r} must be a feature and a day, such as price@20"
        )
    return feature, int(day)
