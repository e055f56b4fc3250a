"""Where Kafka is, from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

PREFIX = "RECOMMENDER_KAFKA_"
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Brokers, topics, and how to sign in."""

    brokers: str
    prefix: str  # of the topics
    durable: bool  # without a check of the topics' settings
    protocol: str = "PLAINTEXT"
    mechanism: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""  # file of certificates in PEM; the system's if empty
    certificate: str = ""  # file of the own one in PEM, if the brokers ask for it
    key: str = ""  # file of its private key

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
        if self.mechanism:
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
    def _files(self) -> dict[str, str]:
        named = {"ca": self.ca, "certificate": self.certificate, "key": self.key}
        return {name: path for name, path in named.items() if path}


def parse_kafka_settings(environ: Mapping[str, str]) -> KafkaSettings | None:
    """Read the environment; None without brokers.

    Raises:
        ValueError: a setting is missing or invalid; the message names it and the remedy.
    """

    def get(name: str, default: str = "") -> str:
        return environ.get(PREFIX + name) or default

    brokers = get("BROKERS")
    if not brokers:
        return None
    if not re.fullmatch(r"[^\s,:/]+:\d{1,5}(,[^\s,:/]+:\d{1,5})*", brokers):
        raise ValueError(f"{PREFIX}BROKERS is {brokers[:100]!r}: give HOST:PORT,HOST:PORT")
    prefix = get("TOPIC", "recommender-events")
    # With the name of a model, it is below the 249 characters that Kafka takes.
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,180}", prefix):
        raise ValueError(f"{PREFIX}TOPIC is {prefix[:100]!r}: give letters, digits, `.`, `_`, `-`")
    protocol = _one_of("PROTOCOL", get("PROTOCOL", "PLAINTEXT"), PROTOCOLS)
    mechanism = get("MECHANISM")
    signs_in = protocol.startswith("SASL")
    if signs_in:
        _one_of("MECHANISM", mechanism, MECHANISMS)
        for name in ("USER", "PASSWORD"):
            if not get(name):
                raise ValueError(f"{PREFIX}{name} is missing: {protocol} needs it")
    durable = _one_of("DURABLE", get("DURABLE", "false").lower(), ("true", "false"))
    return KafkaSettings(
        brokers,
        prefix,
        durable == "true",
        protocol,
        mechanism if signs_in else "",
        get("USER"),
        get("PASSWORD"),
        get("CA"),
        *_certificate(get("CERTIFICATE"), get("KEY"), protocol),
    )


def _certificate(certificate: str, key: str, protocol: str) -> tuple[str, str]:
    if bool(certificate) != bool(key):
        missing = "KEY" if certificate else "CERTIFICATE"
        raise ValueError(f"{PREFIX}{missing} is missing: give the certificate and its private key")
    if certificate and not protocol.endswith("SSL"):
        raise ValueError(
            f"{PREFIX}CERTIFICATE is {certificate[:100]!r}, but {PREFIX}PROTOCOL is {protocol}: "
            "give SSL or SASL_SSL"
        )
    return certificate, key


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{PREFIX}{name} is {value[:40]!r}: give one of {', '.join(allowed)}")
    return value
