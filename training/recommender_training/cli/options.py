"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

_FORMATS = ["MovieLens100K", "CSV", "JSONLines", "Parquet", "Delta"]


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


def report(command: argparse.ArgumentParser) -> None:
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


def raw_data(command: argparse.ArgumentParser) -> None:
    """Add where the raw data are, and how they are read."""
    command.add_argument("--source", type=Path, required=True, help="folder of the raw files")
    raw_format(command)


def check_limits(command: argparse.ArgumentParser) -> None:
    """Add what a data version is held to."""
    command.add_argument(
        "--window-days",
        type=positive,
        metavar="N",
        help="only the last N days (default: all)",
    )
    command.add_argument("--min-rows", type=positive, default=1000, metavar="N")
    command.add_argument(
        "--checks",
        default="{}",
        metavar="JSON",
        help="limits and levels of the checks, `spec.data.checks` of the resource (default: {})",
    )
    command.add_argument(
        "--against",
        metavar="VERSION",
        help="data version to compare with (default: that of the last training in this lake; of "
        "the past, what it was compared with)",
    )


def raw_format(command: argparse.ArgumentParser) -> None:
    """Add how the raw data are read."""
    command.add_argument(
        "--format",
        choices=_FORMATS,
        default="MovieLens100K",
        help="layout of the raw files (default: MovieLens100K)",
    )
    command.add_argument(
        "--mapping",
        metavar="JSON|@FILE",
        help="which column of which files is what, for all formats but MovieLens100K: "
        "`spec.data.source.mapping` of the resource, or a file that holds it",
    )
    command.add_argument("--max-quarantined-share", type=share, default=0.01, metavar="F")


def vacuum_limits(command: argparse.ArgumentParser) -> None:
    """Add what a vacuum leaves besides."""
    command.add_argument("--keep", action="append", default=[], metavar="VERSION")
    command.add_argument("--retention-hours", type=positive, default=168, metavar="N")


def data_version(command: argparse.ArgumentParser) -> None:
    """Add which data version of which lake is read."""
    lake(command)
    command.add_argument("--data-version", required=True, help="from the report of check")
    command.add_argument("--window-days", type=positive, metavar="N")


def model_config(command: argparse.ArgumentParser) -> None:
    """Add what is fitted, and with how many threads."""
    command.add_argument(
        "--config",
        default="{}",
        metavar="JSON",
        help="the section `training` of the resource, camelCase (default: {})",
    )
    command.add_argument(
        "--threads",
        type=positive,
        default=int(os.environ.get("RECOMMENDER_TRAINING_THREADS", "1")),
        help="threads of PyTorch (default: $RECOMMENDER_TRAINING_THREADS or 1); the same number "
        "gives the same bytes",
    )


def champion(command: argparse.ArgumentParser) -> None:
    """Add the champion to compare with."""
    command.add_argument(
        "--champion-artifact",
        type=Path,
        metavar="FOLDER",
        help="published artifact to compare with on the rows of the test window; only read",
    )
    command.add_argument("--champion-digest", metavar="sha256:...", help="that it has to have")


def checkpoints(command: argparse.ArgumentParser) -> None:
    """Add where checkpoints are kept."""
    command.add_argument(
        "--checkpoints",
        type=Path,
        metavar="FOLDER",
        help="of this training alone: where the fits are kept until the artifact is staged, so "
        "that the same command goes on after a kill; what another one left there is removed "
        "(default: .checkpoints beside the output, which trainings share)",
    )
