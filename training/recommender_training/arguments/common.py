"""What the arguments of several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias


class Parser(argparse.ArgumentParser):
    """A parser that knows arguments which have a meaning beside another one alone."""

    _belonging: Mapping[argparse.Action, tuple[argparse.Action, object]] = {}

    def belong(self, to: argparse.Action, *options: str) -> None:
        """Refuse these options where `to` is not given; they have their defaults where it is."""
        self._belonging = {
            action: (to, action.default)
            for action in self._actions
            if {*options} & {*action.option_strings}
        }
        for action in self._belonging:
            action.default = None

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """As argparse has it."""
        found, rest = super().parse_known_args(args, namespace)
        for action, (to, default) in self._belonging.items():
            given = getattr(found, action.dest) is not None
            if given and getattr(found, to.dest) is None:
                names = "/".join(action.option_strings)
                self.error(f"argument {names}: not allowed without {to.option_strings[0]}")
            if not given:
                setattr(found, action.dest, default)
        return found, rest


#: Where commands are added to.
Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"


def verb(verbs: Verbs, name: str, text: str) -> Parser:
    """A command, with what it does in a line."""
    return verbs.add_parser(name, help=text, description=text)


def reported(command: argparse.ArgumentParser) -> None:
    """Add `--report`."""
    command.add_argument("--report", type=Path, metavar="FILE", help="where the report goes")


def lake(command: argparse.ArgumentParser) -> None:
    """Add `--lake`."""
    command.add_argument("--lake", type=Path, required=True, help="folder of the Delta tables")


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
