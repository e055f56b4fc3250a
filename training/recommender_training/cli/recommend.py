"""`recommend`: answer requests, or every user of a data version, from an artifact."""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common import clock
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.data import time_format

if TYPE_CHECKING:
    from recommender_training.answers.offline_version import Answer, OfflineVersion

_TOP = 10
_EXAMPLES = """examples:
  echo '{"user_id": 7, "top_n": 3}' > requests.jsonl
  recommender-training recommend --artifact store/artifacts/shop/DIGEST16 \\
      --requests requests.jsonl
  recommender-training recommend --artifact store/artifacts/shop/DIGEST16 \\
      --requests requests.parquet --output answers.parquet --workers 4
  recommender-training recommend --artifact store/artifacts/shop/DIGEST16 --all-users \\
      --lake lake/shop --data-version VERSION --top 20 --output lists.parquet"""


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(
        verbs, "recommend", "answer requests, or all users of a data version, without a cluster"
    )
    command.epilog = _EXAMPLES
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_argument("--artifact", type=Path, required=True, metavar="FOLDER")
    command.add_argument("--digest", help="expected digest of the manifest, sha256:...")
    asked = command.add_mutually_exclusive_group(required=True)
    asked.add_argument(
        "--requests",
        type=Path,
        metavar="FILE",
        help="requests of the endpoint, one a line as JSON, or rows of a .parquet",
    )
    users = asked.add_argument(
        "--all-users",
        action="store_const",
        const=True,
        help="ask for each user of --data-version in --lake, whose events are the session",
    )
    command.add_argument("--lake", type=Path, help="folder of the Delta tables")
    command.add_argument("--data-version", metavar="VERSION", help="from the report of check")
    command.require(users, "--lake", "--data-version")
    command.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write answers here, .jsonl or .parquet (default: JSON lines on standard output)",
    )
    command.add_argument(
        "--top",
        type=options.positive,
        default=_TOP,
        metavar="K",
        help=f"items of a list whose request has no top_n (default: {_TOP})",
    )
    command.add_argument(
        "--as-of",
        metavar="TIME",
        help="time of requests without a timestamp, such as 2026-11-25T00:00:00Z (default: now; "
        "with --all-users one second after the newest event)",
    )
    command.add_argument(
        "--workers",
        type=options.positive,
        default=int(os.environ.get("RECOMMENDER_TRAINING_THREADS", "1")),
        metavar="N",
        help="threads, of one core each (default: $RECOMMENDER_TRAINING_THREADS or 1); answers "
        "are the same for any number",
    )
    options.add_report(command)


def run(arguments: argparse.Namespace) -> Outcome:
    """Answer requests or all users.

    Raises InputError: InvalidRequests once all lines are answered, if some are bad;
    ArtifactInvalid, InvalidOutput, OutputInArtifact, InvalidTop, InvalidAsOf, DataMissing,
    UnreadableData, DataVersionMissing, InvalidMapping.
    """
    import torch

    from recommender_training.answers import answer_files, answering
    from recommender_training.answers.offline_version import OfflineVersion

    answer_files.check_output(arguments.output, arguments.artifact)
    now = _seconds(arguments.as_of)
    say(f"recommend: verifying and loading {arguments.artifact}")
    version = OfflineVersion(arguments.artifact, arguments.digest)
    if arguments.top > (most := version.vocabulary["maxTopN"]):
        raise InputError("InvalidTop", f"--top={arguments.top}: a list has at most {most} items")
    torch.set_num_threads(1)  # each worker is a thread
    answer = _of_users if arguments.all_users else _of_lines
    tally = answering.Tally()
    answer_files.write_answers(
        arguments.output,
        tally.over(answer(arguments, version, now)),
        answer_files.schema(version.kinds, numbered=not arguments.all_users),
    )
    if tally.errors:
        raise InputError(
            "InvalidRequests",
            f"{tally.errors} of {tally.answers} requests are bad and have an `error` in the "
            f"output, the others are answered; {tally.first_error}",
            answers=tally.answers - tally.errors,
            errors=tally.errors,
        )
    return f"{tally.answers} requests answered", {"answers": tally.answers}


def _of_users(
    arguments: argparse.Namespace, version: OfflineVersion, now: int | None
) -> Iterator[list[Answer]]:
    from recommender_training.answers import all_users, answering

    lake, data_version = arguments.lake, arguments.data_version
    if lake is None or data_version is None:
        raise InputError("DataMissing", "--all-users: give --lake and --data-version, too")
    count, asked = all_users.requests(lake, data_version, version.kinds, arguments.top, now)
    say(f"recommend: {count} users")
    work = functools.partial(answering.answer_requests, version)
    return answering.in_parts(work, asked, arguments.workers)


def _of_lines(
    arguments: argparse.Namespace, version: OfflineVersion, now: int | None
) -> Iterator[list[Answer]]:
    from recommender_training.answers import answer_files, answering
    from recommender_training.answers.requests import RequestReader

    at = clock.seconds() if now is None else now
    reader = RequestReader(version.vocabulary, version.kinds, arguments.top, at)
    work = functools.partial(answering.answer_lines, version, reader)
    lines = answer_files.read_requests(arguments.requests)
    return answering.in_parts(work, lines, arguments.workers)


def _seconds(time: str | None) -> int | None:
    try:
        return None if time is None else time_format.parse_time(time)
    except ValueError as error:
        raise InputError("InvalidAsOf", f"--as-of: {error}; give date, time and zone") from error
