"""Settings from flags and the environment."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recommender_collector.domain.quotas import Rates
from recommender_collector.log import kafka_settings
from recommender_collector.log.kafka_settings import KafkaSettings
from recommender_collector.metrics import Target
from recommender_serving.log_lines import FORMATS, LEVELS
from recommender_serving.store import access
from recommender_serving.store.access import Access

EXAMPLES = f"""\
examples:
  RECOMMENDER_ADMIN_TOKEN_FILE=token recommender-collector serve --declaration collector.json
  recommender-collector write --declaration collector.json --files /data
  recommender-collector find-user --declaration collector.json --files /data shop ada
  recommender-collector users --declaration collector.json --passwords /passwords \\
      --output users.acl

environment:
  RECOMMENDER_STORE_URL       redis://HOST:PORT/DB, or rediss:// with TLS
{access.HELP}
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
DAY = 86_400


class SettingsError(Exception):
    """A setting is missing or invalid; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the store is, and whether it is durable without a check of its settings."""

    access: Access
    durable: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """What both commands need."""

    declaration: Path
    store: StoreSettings
    kafka: KafkaSettings | None  # None: the log is in the store
    user_key: bytes | None = field(repr=False)
    metrics_port: int
    log_level: str
    log_format: str
    keep_seconds: int  # of idle users in the online store


@dataclass(frozen=True, slots=True)
class ServeSettings(Settings):
    """Settings of `serve`."""

    port: int
    admin_port: int
    admin_tokens: Path  # file of those who may use the admin port
    quotas: Rates
    api_keys: Path | None  # folder of the keys of sources; None asks nobody for one
    serving_keys: Path | None  # folder of the keys of the transformers
    drain: float  # seconds from SIGTERM until the port closes
    grace: float  # seconds for requests in flight then


@dataclass(frozen=True, slots=True)
class WriteSettings(Settings):
    """Settings of `write`; without `files`, only the online store is written."""

    files: Path | None
    flush_seconds: float
    files_keep_seconds: float | None

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is written; a series of anything else would never move."""
        lake = () if self.files is None else (Target.LAKE,)
        relay = () if self.kafka is None else (Target.RELAY,)
        return (Target.STORE, *lake, *relay)


@dataclass(frozen=True, slots=True)
class FindSettings:
    """Settings of `find-user`, which needs no store."""

    declaration: Path
    files: Path
    model: str
    user: str
    user_key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class UsersSettings:
    """Settings of `users`: files with the passwords, and where the users of the store go."""

    declaration: Path
    passwords: Path
    output: Path


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `recommender-collector`."""
    parser = argparse.ArgumentParser(
        prog="recommender-collector",
        description="Collects events durably, and keeps what users did for the next answer.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="accept events over HTTP")
    _add_shared(serve)
    serve.add_argument("--port", type=_port, default=8080, help="port of events (default 8080)")
    serve.add_argument(
        "--admin-port", type=_port, default=9090, help="port of experiments and erasure (9090)"
    )
    serve.add_argument(
        "--drain-seconds", type=_seconds, default=5.0,
        help="time after SIGTERM to keep serving while unready (default 5)",
    )  # fmt: skip
    serve.add_argument(
        "--grace-seconds", type=_seconds, default=10.0,
        help="time to wait for requests in flight after that (default 10)",
    )  # fmt: skip
    for name in ("source", "user", "model"):
        serve.add_argument(
            f"--{name}-events", type=_rate, default=0.0,
            help=f"events that a {name} may send in a second to this process (default: no limit)",
        )  # fmt: skip
    write = commands.add_parser("write", help="write events to the online store and to files")
    _add_shared(write)
    write.add_argument("--files", type=Path, help="folder of the files that training reads")
    write.add_argument(
        "--flush-seconds", type=_seconds, default=300.0,
        help="time after which a micro-batch is written (default 300)",
    )  # fmt: skip
    write.add_argument(
        "--retention-days", type=_days, help="days after which files are removed (default: never)"
    )
    find = commands.add_parser("find-user", help="find the rows of a user that are left in files")
    find.add_argument("--declaration", type=Path, required=True, help="JSON file of the models")
    find.add_argument("--files", type=Path, required=True, help="folder of the files of `write`")
    find.add_argument("model", help="name of the model")
    find.add_argument("user", help="id of the user, as events have it")
    users = commands.add_parser("users", help="write the users of the store as an ACL file")
    users.add_argument("--declaration", type=Path, required=True, help="JSON file of the models")
    users.add_argument(
        "--passwords", type=Path, required=True,
        help="folder with the passwords of collector, writer, probe and reader-MODEL, one a line",
    )  # fmt: skip
    users.add_argument("--output", type=Path, required=True, help="the ACL file to write")
    return parser


def _add_shared(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--declaration", type=Path, required=True, help="JSON file of the models")
    add("--metrics-port", type=_port, default=9091, help="port of probes and metrics (9091)")
    add("--user-days", type=_days, default=30.0, help="days that an idle user is remembered (30)")


def parse(
    argv: list[str], environ: Mapping[str, str]
) -> ServeSettings | WriteSettings | FindSettings | UsersSettings:
    """Read the command line and the environment.

    Raises:
        SettingsError: a setting is missing or invalid.
        SystemExit: argparse refused the command line (code 2) or showed its help (code 0).
    """
    args = build_parser().parse_args(argv)
    if args.command == "users":
        return UsersSettings(args.declaration, args.passwords, args.output)
    key = _user_key(environ)
    if args.command == "find-user":
        return FindSettings(args.declaration, args.files, args.model, args.user, key)
    level = environ.get("RECOMMENDER_LOG_LEVEL", "INFO").upper()
    if level not in LEVELS:
        raise SettingsError(f"RECOMMENDER_LOG_LEVEL is {level!r}: give one of {', '.join(LEVELS)}")
    form = environ.get("RECOMMENDER_LOG_FORMAT") or "json"
    if form not in FORMATS:
        raise SettingsError(
            f"RECOMMENDER_LOG_FORMAT is {form!r}: give one of {', '.join(FORMATS)}"
        )
    shared = {
        "declaration": args.declaration,
        "store": _store(environ),
        "kafka": _kafka(environ),
        "user_key": key,
        "metrics_port": args.metrics_port,
        "log_level": level,
        "log_format": form,
        "keep_seconds": int(args.user_days * DAY),
    }
    if args.command == "write":
        retention = args.retention_days
        return WriteSettings(
            **shared,
            files=args.files,
            flush_seconds=args.flush_seconds,
            files_keep_seconds=None if retention is None else retention * DAY,
        )
    return _serve(args, shared, environ)


def _serve(
    args: argparse.Namespace, shared: dict[str, Any], environ: Mapping[str, str]
) -> ServeSettings:
    tokens = environ.get("RECOMMENDER_ADMIN_TOKEN_FILE")
    ports = {
        "--port": args.port, "--admin-port": args.admin_port, "--metrics-port": args.metrics_port,
    }  # fmt: skip
    for one, other in itertools.combinations(ports, 2):
        if ports[one] == ports[other]:
            raise SettingsError(f"{one} and {other} are both {ports[one]}: choose different ports")
    if not tokens:
        raise SettingsError(
            "RECOMMENDER_ADMIN_TOKEN_FILE is not set: name the file with the bearer token of "
            "--admin-port"
        )
    return ServeSettings(
        **shared, port=args.port, admin_port=args.admin_port, admin_tokens=Path(tokens),
        quotas=Rates(args.source_events, args.user_events, args.model_events),
        api_keys=_path(environ, "RECOMMENDER_API_KEYS"),
        serving_keys=_path(environ, "RECOMMENDER_COLLECTOR_KEYS"),
        drain=args.drain_seconds, grace=args.grace_seconds,
    )  # fmt: skip


def _path(environ: Mapping[str, str], variable: str) -> Path | None:
    given = environ.get(variable)
    return Path(given) if given else None


def _store(environ: Mapping[str, str]) -> StoreSettings:
    try:
        found = access.parse(environ)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if found is None:
        raise SettingsError("RECOMMENDER_STORE_URL is not set: give redis://HOST:PORT/DB")
    durable = environ.get("RECOMMENDER_STORE_DURABLE", "false").lower()
    if durable not in ("true", "false"):
        raise SettingsError(f"RECOMMENDER_STORE_DURABLE is {durable[:20]!r}: give true or false")
    return StoreSettings(found, durable == "true")


def _user_key(environ: Mapping[str, str]) -> bytes | None:
    path = environ.get("RECOMMENDER_USER_KEY_FILE")
    if environ.get("RECOMMENDER_USER_KEY"):
        raise SettingsError(
            "RECOMMENDER_USER_KEY is set: write the key to a file, and give its path as "
            "RECOMMENDER_USER_KEY_FILE"
        )
    try:
        return Path(path).read_bytes().strip() if path else None
    except OSError as error:
        raise SettingsError(f"RECOMMENDER_USER_KEY_FILE cannot be read: {error}") from None


def _kafka(environ: Mapping[str, str]) -> KafkaSettings | None:
    try:
        return kafka_settings.parse(environ)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _port(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text) or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: give a number from 1 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is out of range: give 0 to 3600 seconds")
    return seconds


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 <= rate <= 1e6:
        raise argparse.ArgumentTypeError(f"{text} is out of range: give 0 to 1000000 events")
    return rate


def _days(text: str) -> float:
    days = float(text)
    if not 1 <= days <= 3650:
        raise argparse.ArgumentTypeError(f"{text} is out of range: give 1 to 3650 days")
    return days
