"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping as Facts
from pathlib import Path
from typing import TypeAlias

from recommender_contract.resource.mapping import Format
from recommender_training.ingestion.mapping import Mapping
from recommender_training.ingestion.mapping_argument import parse_mapping

_FORMATS = [kind.value for kind in Format]
#: Default of `--min-rows`, as of `data.minRows`.
MIN_ROWS = 1000


class Parser(argparse.ArgumentParser):
    """A parser with options that require another option."""

    _dependent: Facts[argparse.Action, tuple[argparse.Action, object]] = {}
    _needed: tuple[argparse.Action, argparse.Action] | None = None

    def require(self, required: argparse.Action, *options: str) -> None:
        """Refuse these options without `required`; with it, they keep their defaults."""
        self._dependent = {
            action: (required, action.default)
            for action in self._actions
            if {*options} & {*action.option_strings}
        }
        for action in self._dependent:
            action.default = None

    def need(self, given: argparse.Action, action: argparse.Action) -> None:
        """Require an option with choices if `given` is there; the error names the choices."""
        self._needed = (given, action)

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse as argparse does, then check the dependent options."""
        found, rest = super().parse_known_args(args, namespace)
        for action, (required, default) in self._dependent.items():
            given = getattr(found, action.dest) is not None
            if given and getattr(found, required.dest) is None:
                names = "/".join(action.option_strings)
                self.error(f"argument {names}: not allowed without {required.option_strings[0]}")
            if not given:
                setattr(found, action.dest, default)
        if self._needed is not None:
            self._refuse_without(found, *self._needed)
        return found, rest

    def _refuse_without(
        self, found: argparse.Namespace, given: argparse.Action, action: argparse.Action
    ) -> None:
        if getattr(found, given.dest) is not None and getattr(found, action.dest) is None:
            names = (action.option_strings[0], given.option_strings[0])
            choices = ", ".join(action.choices or ())
            self.error(f"argument {names[0]}: required with {names[1]} (choose from {choices})")


#: The subparsers that commands are added to.
Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"


def verb(verbs: Verbs, name: str, text: str) -> Parser:
    """Add a command with a one-line description."""
    return verbs.add_parser(name, help=text, description=text)


def add_report(command: argparse.ArgumentParser) -> None:
    """Add `--report`."""
    command.add_argument("--report", type=Path, metavar="FILE", help="write the report here")


def lake(command: argparse.ArgumentParser) -> None:
    """Add `--lake`."""
    command.add_argument("--lake", type=Path, required=True, help="folder of the Delta tables")


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} must be 1 or more")
    return value


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} must be from 0 to 1")
    return value


def raw_data(command: Parser) -> None:
    """Add the folder and the format of the raw data."""
    source = command.add_argument(
        "--source", type=Path, required=True, help="folder of the raw files"
    )
    raw_format(command, source)


def check_limits(command: argparse.ArgumentParser) -> None:
    """Add the window and the limits of the data checks."""
    command.add_argument(
        "--window-days",
        type=positive,
        metavar="N",
        help="use only the last N days (default: all)",
    )
    command.add_argument(
        "--min-rows",
        type=positive,
        default=MIN_ROWS,
        metavar="N",
        help=f"fewest rows of the window (default: {MIN_ROWS})",
    )
    command.add_argument(
        "--checks",
        default="{}",
        metavar="JSON",
        help="limits and levels of the checks, as `spec.data.checks` (default: {})",
    )
    command.add_argument(
        "--against",
        metavar="VERSION",
        help="data version to compare with (default: that of the last training on this lake; for "
        "a past version, the one that it was compared with before)",
    )


def raw_format(command: Parser, source: argparse.Action) -> None:
    """Add the format of the raw data, which `source` needs."""
    layout = command.add_argument(
        "--format", choices=_FORMATS, help="format of the raw files; required with --source"
    )
    command.need(source, layout)
    command.add_argument(
        "--mapping",
        action="append",
        metavar="JSON|@FILE",
        help="files, columns and features of the tables, for all formats except MovieLens100K: "
        "`spec.data.source.mapping` as JSON, or a file that holds it; a long JSON may come in "
        "parts, each with --mapping",
    )
    command.add_argument(
        "--max-quarantined-share",
        type=share,
        default=0.01,
        metavar="F",
        help="largest share of quarantined rows, 0 to 1 (default: 0.01)",
    )


def add_mapping(arguments: argparse.Namespace, kind: Format) -> Mapping | None:
    """Return the mapping of `--mapping`, whose parts are joined.

    Raises InputError `InvalidMapping`.
    """
    parts: list[str] | None = arguments.mapping
    return parse_mapping(None if parts is None else "".join(parts), kind)


def vacuum_limits(command: argparse.ArgumentParser) -> None:
    """Add the data versions and the hours that a vacuum keeps."""
    command.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="VERSION",
        help="keep this data version too; may be repeated",
    )
    command.add_argument(
        "--retention-hours",
        type=positive,
        default=168,
        metavar="N",
        help="keep all files needed in the last N hours (default: 168)",
    )


def data_version(command: argparse.ArgumentParser) -> None:
    """Add the lake, the data version and the window to read."""
    lake(command)
    command.add_argument("--data-version", required=True, help="from the report of check")
    command.add_argument(
        "--window-days",
        type=positive,
        metavar="N",
        help="use only the last N days (default: all)",
    )


def model_config(command: argparse.ArgumentParser) -> None:
    """Add the training section and the number of threads."""
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
        help="threads of PyTorch (default: $RECOMMENDER_TRAINING_THREADS or 1); results are "
        "reproducible for the same number",
    )


def add_champion(command: argparse.ArgumentParser) -> None:
    """Add the champion to compare with."""
    command.add_argument(
        "--champion-artifact",
        type=Path,
        metavar="FOLDER",
        help="published artifact to compare with on the test window, read only",
    )
    command.add_argument(
        "--champion-digest", metavar="sha256:...", help="expected digest of that artifact"
    )
    command.add_argument(
        "--previous-artifact",
        type=Path,
        metavar="FOLDER",
        help="published artifact to compare the champion with, on rows that neither was trained "
        "on, read only",
    )
    command.add_argument(
        "--previous-digest", metavar="sha256:...", help="expected digest of that artifact"
    )


def checkpoints(command: argparse.ArgumentParser) -> None:
    """Add the folder of the checkpoints."""
    command.add_argument(
        "--checkpoints",
        type=Path,
        metavar="FOLDER",
        help="folder for checkpoints of this training only, so that the same command resumes "
        "after a kill; checkpoints of other trainings are removed from it (default: .checkpoints "
        "beside the output, which trainings share)",
    )
