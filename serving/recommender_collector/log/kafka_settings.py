"""Where Kafka is, from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from recommender_runtime.settings import Model, SettingsError, Switch, Variable

PREFIX = "RECOMMENDER_KAFKA_"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_BROKER = r"[^\s,:/]+:\d{1,5}"


class KafkaSettings(Model):
    """Brokers, topics, and how to sign in."""

    brokers: Annotated[
        str,
        Field(pattern=rf"^{_BROKER}(,{_BROKER})*$"),
        Variable(f"{PREFIX}BROKERS", "give HOST:PORT,HOST:PORT"),
    ]
    # Of the topics. With the name of a model, it is below the 249 characters that Kafka takes.
    prefix: Annotated[
        str,
        Field(pattern=r"^[a-zA-Z0-9._-]{1,180}$"),
        Variable(f"{PREFIX}TOPIC", "give letters, digits, `.`, `_`, `-`"),
    ] = "recommender-events"
    # Without a check of the topics' settings.
    durable: Annotated[Switch, Variable(f"{PREFIX}DURABLE", "give one of true, false")] = False
    protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Variable(f"{PREFIX}PROTOCOL", "give one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
    ] = "PLAINTEXT"
    mechanism: Annotated[str, Variable(f"{PREFIX}MECHANISM")] = ""
    user: Annotated[str, Variable(f"{PREFIX}USER")] = ""
    password: Annotated[str, Variable(f"{PREFIX}PASSWORD"), Field(repr=False)] = ""
    ca: Annotated[str, Variable(f"{PREFIX}CA")] = ""  # file of certificates; the system's if empty
    # File of the own one in PEM, if the brokers ask for it, and of its private key.
    certificate: Annotated[str, Variable(f"{PREFIX}CERTIFICATE")] = ""
    key: Annotated[str, Variable(f"{PREFIX}KEY")] = ""

    @pydantic.model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self._signs_in:
            if self.mechanism not in MECHANISMS:
                raise SettingsError(
                    f"{PREFIX}MECHANISM is {self.mechanism[:40]!r}: "
                    f"give one of {', '.join(MECHANISMS)}"
                )
            for name in ("user", "password"):
                if not getattr(self, name):
                    raise SettingsError(
                        f"{PREFIX}{name.upper()} is missing: {self.protocol} needs it"
                    )
        if bool(self.certificate) != bool(self.key):
            missing = "KEY" if self.certificate else "CERTIFICATE"
            raise SettingsError(
                f"{PREFIX}{missing} is missing: give the certificate and its private key"
            )
        if self.certificate and not self.protocol.endswith("SSL"):
            raise SettingsError(
                f"{PREFIX}CERTIFICATE is {self.certificate[:100]!r}, but {PREFIX}PROTOCOL is "
                f"{self.protocol}: give SSL or SASL_SSL"
            )
        return self

    def topic(self, model: str) -> str:
        """Return the topic of a model."""
        return f"{self.prefix}.{model}"

    def client(self) -> dict[str, str | int]:
        """Return the settings of each client, by the names of librdkafka."""
        found: dict[str, str | int] = {
            "bootstrap.servers": self.brokers,
            "client.id": "recommender-collector",
            "security.protocol": self.protocol,
            "socket.keepalive.enable": "true",
            # A broker that comes back is found within a second.
            "reconnect.backoff.max.ms": 1000,
        }
        if self._signs_in:
            found["sasl.mechanism"] = self.mechanism
            found["sasl.username"] = self.user
            found["sasl.password"] = self.password
        for name, path in self._files.items():
            found[f"ssl.{name}.location"] = path
        return found

    def stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Return a fingerprint of the certificate files: clients read them only once.

        Raises:
            OSError: a file cannot be read.
        """
        states = map(os.stat, self._files.values())
        return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in states)

    def check_files(self) -> None:
        """Look whether the files can be read.

        Raises:
            ValueError: one cannot; the message names the variable.
        """
        for name, path in self._files.items():
            try:
                with open(path, "rb"):
                    pass
            except OSError as error:
                variable = f"{PREFIX}{name.upper()}"
                raise ValueError(f"{variable} is {path}: {error.strerror}: give a file") from None

    @property
    def _signs_in(self) -> bool:
        return self.protocol.startswith("SASL")

    @property
    def _files(self) -> dict[str, str]:
        named = {"ca": self.ca, "certificate": self.certificate, "key": self.key}
        return {name: path for name, path in named.items() if path}


def parse_kafka_settings(environ: Mapping[str, str]) -> KafkaSettings | None:
    """Read the environment; None without brokers.

    Raises:
        SettingsError: a setting is missing or invalid.
    """
    return KafkaSettings.load(environ) if environ.get(f"{PREFIX}BROKERS") else None
