"""Settings from flags and the environment."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import pydantic
from pydantic import BeforeValidator, Field

from recommender_collector.collector_metrics import Target
from recommender_collector.domain.token_buckets import Rates
from recommender_collector.log.kafka_settings import KafkaSettings, parse_kafka_settings
from recommender_collector.process.command_line import build_parser
from recommender_contract import environment
from recommender_runtime.redis_access import Access, parse_access
from recommender_runtime.settings import (
    LogFormat,
    LogLevel,
    Model,
    SettingsError,
    Switch,
    Variable,
)

DAY = 86_400


def _read_key(path: str) -> bytes:
    try:
        return Path(path).read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"RECOMMENDER_USER_KEY_FILE cannot be read: {error}") from None


UserKey = Annotated[
    bytes | None,
    BeforeValidator(_read_key),
    Variable("RECOMMENDER_USER_KEY_FILE"),
    Field(repr=False),
]


class StoreSettings(Model):
    """Where the store is, and whether it is durable without a check of its settings."""

    access: Access
    durable: Annotated[
        Switch, Variable("RECOMMENDER_STORE_DURABLE", "give true or false", may_be_empty=True)
    ] = False


class Settings(Model):
    """Settings of both commands."""

    declaration: Path
    store: StoreSettings
    kafka: KafkaSettings | None = None  # None: the log is in the store
    user_key: UserKey = None
    metrics_port: int
    log_level: LogLevel = "INFO"
    log_format: LogFormat = "json"
    user_days: float

    @property
    def keep_seconds(self) -> int:
        """Seconds that an idle user stays in the online store."""
        return int(self.user_days * DAY)


class ServeSettings(Settings):
    """Settings of `serve`."""

    port: int
    admin_port: int
    # File of those who may use the admin port.
    admin_tokens: Annotated[
        Path,
        Variable(
            "RECOMMENDER_ADMIN_TOKEN_FILE", "name the file with the bearer token of --admin-port"
        ),
    ]
    source_events: float  # per second
    user_events: float
    model_events: float
    # Folder of the keys of sources; None asks nobody for one.
    api_keys: Annotated[Path | None, Variable("RECOMMENDER_API_KEYS")] = None
    # Folder of the keys of the transformers.
    serving_keys: Annotated[Path | None, Variable(environment.COLLECTOR_KEYS)] = None
    drain: float  # seconds from SIGTERM until the port closes
    grace: float  # seconds for requests in flight then

    @pydantic.model_validator(mode="after")
    def _ports_differ(self) -> Self:
        for one, other in itertools.combinations(("port", "admin_port", "metrics_port"), 2):
            if getattr(self, one) == getattr(self, other):
                flags = (f"--{each.replace('_', '-')}" for each in (one, other))
                raise SettingsError(
                    f"{' and '.join(flags)} are both {getattr(self, one)}: choose different ports"
                )
        return self

    @property
    def quotas(self) -> Rates:
        """Events that a source, a user and a model may send."""
        return Rates(self.source_events, self.user_events, self.model_events)


class WriteSettings(Settings):
    """Settings of `write`; without `files`, only the online store is written."""

    files: Path | None = None
    flush_seconds: float
    retention_days: float | None = None  # of the files

    @property
    def files_keep_seconds(self) -> float | None:
        """Seconds after which files are removed; None: never."""
        return None if self.retention_days is None else self.retention_days * DAY

    @property
    def targets(self) -> tuple[Target, ...]:
        """Targets of the writer; a series of anything else would never move."""
        lake = () if self.files is None else (Target.LAKE,)
        relay = () if self.kafka is None else (Target.RELAY,)
        return (Target.STORE, *lake, *relay)


class FindSettings(Model):
    """Settings of `find-user`, which needs no store."""

    declaration: Path
    files: Path
    model: str
    user: str
    user_key: UserKey = None


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
    flags = vars(build_parser().parse_args(argv))
    command = flags.pop("command")
    if command == "users":
        return UsersSettings(**flags)
    if environ.get("RECOMMENDER_USER_KEY"):
        raise SettingsError(
            "RECOMMENDER_USER_KEY is set: write the key to a file, and give its path as "
            "RECOMMENDER_USER_KEY_FILE"
        )
    if command == "find-user":
        return FindSettings.load(environ, **flags)
    access = parse_access(environ)
    if access is None:
        raise SettingsError("RECOMMENDER_STORE_URL is not set: give redis://HOST:PORT/DB")
    flags["store"] = StoreSettings.load(environ, access=access)
    flags["kafka"] = parse_kafka_settings(environ)
    settings = WriteSettings if command == "write" else ServeSettings
    return settings.load(environ, **flags)
