"""What the arguments of several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

#: Where commands are added to.
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def verb(verbs: Verbs, name: str, text: str) -> argparse.ArgumentParser:
    """A command, with what it does in a line."""
    return verbs.add_parser(name, help=text, description=text)


def reported(command: argparse.ArgumentParser) -> None:
    """Add `--report`."""
    command.add_argument("--report", type=Path, metavar="FILE", help="where the report goes")


def positive(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} has to be 1 or more")
    return value


def share(text: str) -> float:
    """A number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} has to be from 0 to 1")
    return value
