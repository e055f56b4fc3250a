"""Settings from flags and the environment."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recommender_collector.collector_metrics import Target
from recommender_collector.domain.token_buckets import Rates
from recommender_collector.log import kafka_settings
from recommender_collector.log.kafka_settings import KafkaSettings
from recommender_collector.process.command_line import build_parser
from recommender_contract.logs import FORMATS, LEVELS
from recommender_runtime import redis_access
from recommender_runtime.redis_access import Access

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
    """Settings of both commands."""

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
        """Targets of the writer; a series of anything else would never move."""
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
    shared = {
        "declaration": args.declaration,
        "store": _store(environ),
        "kafka": _kafka(environ),
        "user_key": key,
        "metrics_port": args.metrics_port,
        **_logs(environ),
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


def _logs(environ: Mapping[str, str]) -> dict[str, str]:
    level = environ.get("RECOMMENDER_LOG_LEVEL", "INFO").upper()
    if level not in LEVELS:
        raise SettingsError(f"RECOMMENDER_LOG_LEVEL is {level!r}: give one of {', '.join(LEVELS)}")
    form = environ.get("RECOMMENDER_LOG_FORMAT") or "json"
    if form not in FORMATS:
        raise SettingsError(
            f"RECOMMENDER_LOG_FORMAT is {form!r}: give one of {', '.join(FORMATS)}"
        )
    return {"log_level": level, "log_format": form}


def _path(environ: Mapping[str, str], variable: str) -> Path | None:
    given = environ.get(variable)
    return Path(given) if given else None


def _store(environ: Mapping[str, str]) -> StoreSettings:
    try:
        found = redis_access.parse_access(environ)
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
        return kafka_settings.parse_kafka_settings(environ)
    except ValueError as error:
        raise SettingsError(str(error)) from None
