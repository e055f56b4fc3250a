"""The command line."""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import re
import urllib.parse
from collections.abc import Sequence

from recommender_client.values import Value

PROGRAM = "recommender-simulate"
_EXAMPLES = """\
examples:
  # 500 users for a minute, through the Gateway; nothing is reported
  recommender-simulate --url http://GATEWAY --host shop.default.recommender.local

  # the same, with clicks and purchases, of a model that reports its impressions itself
  recommender-simulate --url http://GATEWAY --host shop.default.recommender.local \\
      --events http://recommender-operator-collector --no-impressions --seconds 600 --rate 50

  # before the first model: events about random lists, to train it on
  recommender-simulate --random --items 300 --events http://recommender-operator-collector \\
      --rate 200 --memory clicks.json

  # rehearse an experiment: users like the candidate's answers 1.3 times as much
  recommender-simulate --url http://GATEWAY --host shop.default.recommender.local \\
      --events http://recommender-operator-collector --no-impressions \\
      --appeal shop-1a2b3c4d=1.3

Ctrl-C ends it early, with the summary.

exit codes:
  0  every request was answered and every event was accepted
  1  some were not: the summary names the most frequent cause
  2  wrong arguments
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Users with known tastes ask a live endpoint and act on what they see.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    asked = top.add_mutually_exclusive_group(required=True)
    asked.add_argument("--url", type=address, help="address of the Gateway, or of a transformer")
    asked.add_argument(
        "--random", action="store_true",
        help="show random lists of the items, as before the first model; needs --items",
    )  # fmt: skip
    top.add_argument("--host", help="host name of the model's route")
    top.add_argument(
        "--events", metavar="URL", type=address,
        help="address of the collector; none: no events. Never use a collector whose events train "
        "a model for real users",
    )  # fmt: skip
    top.add_argument("--events-host", metavar="HOST", help="host name of the collector's route")
    top.add_argument(
        "--no-impressions", dest="impressions", action="store_false",
        help="send no impressions, because the serving path reports them (events.impressions: 1)",
    )  # fmt: skip
    top.add_argument("--seconds", type=positive, default=60.0, help="duration in seconds (60)")
    top.add_argument("--rate", type=positive, default=20.0, help="requests a second (20)")
    top.add_argument("--users", type=count, default=500, help="number of users (500)")
    top.add_argument(
        "--user-prefix", default="sim-", metavar="TEXT",
        help="prefix of user ids (sim-); if it is a number, the ids are numbers from it on",
    )  # fmt: skip
    _add_catalogue(top)
    top.add_argument("--top-n", type=count, default=10, help="items of a request (10)")
    top.add_argument(
        "--context", type=choice, action="append", default=[], metavar="NAME=A,B",
        help="values of a feature of the context, chosen at random; may be repeated. Lists, "
        "numbers and booleans are given as a JSON array of values: 'words=[[\"red\"], [\"new\"]]'",
    )  # fmt: skip
    top.add_argument(
        "--appeal", type=factor, action="append", default=[], metavar="VERSION=FACTOR",
        help="factor on each chance of a click on answers of this version; may be repeated",
    )  # fmt: skip
    _add_truth(top)
    top.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="form of the summary"
    )
    return top


def _add_catalogue(top: argparse.ArgumentParser) -> None:
    top.add_argument(
        "--items", type=count, metavar="N",
        help="number of items that the model knows: the summary then compares the lists with the "
        "best ones without what the user clicked on last; times --users at most 10,000,000",
    )  # fmt: skip
    top.add_argument(
        "--item-prefix", default="item-", metavar="TEXT",
        help="prefix of item ids (item-), as --user-prefix",
    )  # fmt: skip
    top.add_argument(
        "--memory", type=pathlib.Path, metavar="FILE",
        help="what users clicked on last: read at the start if it exists, and written at the end, "
        "for runs of the same users one after another",
    )  # fmt: skip


def _add_truth(top: argparse.ArgumentParser) -> None:
    top.add_argument("--seed", type=int, default=1, help="seed of tastes, visits and acts (1)")
    top.add_argument(
        "--tastes", type=int, metavar="SEED",
        help="seed of the tastes alone, for other visits and acts of the same users (--seed)",
    )  # fmt: skip
    top.add_argument(
        "--click-rate", type=share, default=0.1,
        help="chance of a click on an average item that a user looks at (.1)",
    )  # fmt: skip
    top.add_argument(
        "--spread", type=positive, default=1.5,
        help="how much tastes differ: standard deviation of the log odds of a click (1.5)",
    )  # fmt: skip
    top.add_argument("--purchase-share", type=share, default=0.1, help="purchases per click (.1)")


def address(text: str) -> str:
    """Return a base URL."""
    try:
        parts = urllib.parse.urlsplit(text)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return text
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"got {text!r}; give http://HOST or http://HOST:PORT")


def positive(text: str) -> float:
    """Return a number above 0."""
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"got {text}; give a number above 0")
    return value


def share(text: str) -> float:
    """Return a number between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"got {text}; give a number between 0 and 1")
    return value


def count(text: str) -> int:
    """Return a whole number above 0."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"got {text}; give a whole number above 0")
    return value


def choice(text: str) -> tuple[str, Sequence[Value]]:
    """Return a name and its values: texts, or those of a list in JSON."""
    name, _, values = text.partition("=")
    listed: Sequence[Value] = [value for value in values.split(",") if value]
    if values.startswith("["):
        listed = _parsed(values)
    if not name or not listed:
        raise argparse.ArgumentTypeError(f"got {text!r}; give NAME=A,B or NAME=[1, 2]")
    return name, listed


def _parsed(text: str) -> Sequence[Value]:
    """Return the values of a list in JSON; none if it is no such list."""
    try:
        found = json.loads(text)
    except ValueError:
        return ()
    is_plain = all(isinstance(each, str | int | float | list) for each in found)
    return tuple(found) if is_plain else ()


def factor(text: str) -> tuple[str, float]:
    """Return a version and its factor."""
    found = re.fullmatch(r"(?P<version>[a-z0-9.-]+)=(?P<factor>[0-9.]+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"got {text!r}; give VERSION=FACTOR")
    return found["version"], positive(found["factor"])
