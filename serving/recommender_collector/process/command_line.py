"""The command line of `recommender-collector`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from recommender_runtime import redis_access

EXAMPLES = f"""\
examples:
  RECOMMENDER_ADMIN_TOKEN_FILE=token recommender-collector serve --declaration collector.json
  recommender-collector write --declaration collector.json --files /data
  recommender-collector find-user --declaration collector.json --files /data shop ada
  recommender-collector users --declaration collector.json --passwords /passwords \\
      --output users.acl

environment:
  RECOMMENDER_STORE_URL       redis://HOST:PORT/DB, or rediss:// with TLS
{redis_access.HELP}
  RECOMMENDER_STORE_DURABLE   true: do not check that the store syncs each write
  RECOMMENDER_KAFKA_BROKERS   HOST:PORT,HOST:PORT: the log is in Kafka (default: in the store)
  RECOMMENDER_KAFKA_TOPIC     a model's events are in the topic TOPIC.MODEL (recommender-events)
  RECOMMENDER_KAFKA_PROTOCOL  PLAINTEXT (default), SSL, SASL_PLAINTEXT or SASL_SSL
  RECOMMENDER_KAFKA_MECHANISM PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; with _USER and _PASSWORD
  RECOMMENDER_KAFKA_CA        file of certificates (default: those of the system)
  RECOMMENDER_KAFKA_DURABLE   true: do not check that two brokers have each acknowledged event
  RECOMMENDER_USER_KEY_FILE   file with the secret key of hashUsers, at least 16 bytes
  RECOMMENDER_ADMIN_TOKEN_FILE file of the bearer tokens of --admin-port, one a line (serve)
  RECOMMENDER_API_KEYS        folder of the keys of sources, MODEL.SOURCE (serve; default: none)
  RECOMMENDER_COLLECTOR_KEYS  folder of the transformers' keys, `key` and `signing` (serve)
  RECOMMENDER_LOG_LEVEL       DEBUG, INFO (default), WARNING or ERROR
  RECOMMENDER_LOG_FORMAT      json (default) or text

exit codes: 0 success; 1 failure, or find-user found the user; 2 invalid settings or declaration"""


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `recommender-collector`."""
    parser = argparse.ArgumentParser(
        prog="recommender-collector",
        description="Collects events durably, and keeps what users did for the next answer.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="accept events over HTTP"))
    _add_write(commands.add_parser("write", help="write events to the online store and to files"))
    _add_find(
        commands.add_parser("find-user", help="find the rows of a user that are left in files")
    )
    _add_users(commands.add_parser("users", help="write the users of the store as an ACL file"))
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    _add_shared(serve)
    serve.add_argument("--port", type=_port, default=8080, help="port of events (default 8080)")
    serve.add_argument(
        "--admin-port", type=_port, default=9090, help="port of experiments and erasure (9090)"
    )
    serve.add_argument(
        "--drain-seconds", dest="drain", metavar="SECONDS", type=_seconds, default=5.0,
        help="time after SIGTERM to keep serving while unready (default 5)",
    )  # fmt: skip
    serve.add_argument(
        "--grace-seconds", dest="grace", metavar="SECONDS", type=_seconds, default=10.0,
        help="time to wait for requests in flight after that (default 10)",
    )  # fmt: skip
    for name in ("source", "user", "model"):
        serve.add_argument(
            f"--{name}-events", type=_rate, default=0.0,
            help=f"events that a {name} may send in a second to this process (default: no limit)",
        )  # fmt: skip


def _add_write(write: argparse.ArgumentParser) -> None:
    _add_shared(write)
    write.add_argument("--files", type=Path, help="folder of the files that training reads")
    write.add_argument(
        "--flush-seconds", type=_seconds, default=300.0,
        help="time after which a micro-batch is written (default 300)",
    )  # fmt: skip
    write.add_argument(
        "--retention-days", type=_days, help="days after which files are removed (default: never)"
    )


def _add_find(find: argparse.ArgumentParser) -> None:
    _add_declaration(find)
    find.add_argument("--files", type=Path, required=True, help="folder of the files of `write`")
    find.add_argument("model", help="name of the model")
    find.add_argument("user", help="id of the user, as events have it")


def _add_users(users: argparse.ArgumentParser) -> None:
    _add_declaration(users)
    users.add_argument(
        "--passwords", type=Path, required=True,
        help="folder with the passwords of collector, writer, probe and reader-MODEL, one a line",
    )  # fmt: skip
    users.add_argument("--output", type=Path, required=True, help="the ACL file to write")


def _add_shared(command: argparse.ArgumentParser) -> None:
    _add_declaration(command)
    add = command.add_argument
    add("--metrics-port", type=_port, default=9091, help="port of probes and metrics (9091)")
    add("--user-days", type=_days, default=30.0, help="days that an idle user is remembered (30)")


def _add_declaration(command: argparse.ArgumentParser) -> None:
    command.add_argument("--declaration", type=Path, required=True, help="JSON file of the models")


def _port(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text) or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: give a number from 1 to 65535")
    return int(text)


def _between(least: float, most: float, unit: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"{text} is out of range: give {least:.0f} to {most:.0f} {unit}"
            )
        return value

    parse.__name__ = f"number of {unit}"  # in the message about what is no number
    return parse


_seconds = _between(0, 3600, "seconds")
_rate = _between(0, 1_000_000, "events")
_days = _between(1, 3650, "days")
