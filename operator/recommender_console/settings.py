"""Settings, from environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import urlsplit

from recommender_contract.logs import FORMATS, LEVELS

PREFIX = "RECOMMENDER_CONSOLE_"
VARIABLES = {
    "PORT": "port of the page, plain HTTP (default: 8080)",
    "API_SERVER": "URL of the API server (default: the pod's own cluster)",
    "CA_FILE": "PEM file with the authority of the API server (default: the system's)",
    "NAMESPACES": "namespaces whose models the first page lists, by comma (default: all)",
    "LOG_LEVEL": "DEBUG, INFO (default), WARNING or ERROR",
    "LOG_FORMAT": "json (default) or text",
}
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class SettingsError(Exception):
    """A setting is missing or invalid; the message names it and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, validated."""

    port: int
    api_server: str
    ca_file: str | None
    namespaces: tuple[str, ...]
    log_level: str
    log_format: Literal["json", "text"]


def load(environment: Mapping[str, str]) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: a variable is missing or invalid.
    """

    def value(name: str, default: str = "") -> str:
        return environment.get(PREFIX + name, "") or default

    port = value("PORT", "8080")
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise SettingsError(f"{PREFIX}PORT={port!r} is not a port from 1 to 65535")
    names = tuple(part.strip() for part in value("NAMESPACES").split(",") if part.strip())
    for name in names:
        if not is_namespace(name):
            raise SettingsError(f"{PREFIX}NAMESPACES: {name!r} is not the name of a namespace")
    return Settings(
        port=int(port),
        api_server=_address(value("API_SERVER") or _of_the_pod(environment)),
        ca_file=value("CA_FILE") or None,
        namespaces=names,
        log_level=_choice("LOG_LEVEL", value("LOG_LEVEL", "INFO"), LEVELS),
        log_format=cast(
            'Literal["json", "text"]', _choice("LOG_FORMAT", value("LOG_FORMAT", "json"), FORMATS)
        ),
    )


def is_namespace(name: str) -> bool:
    """Return whether a text can be the name of a namespace."""
    return _NAMESPACE.fullmatch(name) is not None


def _choice(name: str, given: str, choices: tuple[str, ...]) -> str:
    if given not in choices:
        raise SettingsError(f"{PREFIX}{name}={given!r} must be one of {', '.join(choices)}")
    return given


def _of_the_pod(environment: Mapping[str, str]) -> str:
    host = environment.get("KUBERNETES_SERVICE_HOST")
    if not host:
        raise SettingsError(f"{PREFIX}API_SERVER is not set, and this is no pod of a cluster")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _address(given: str) -> str:
    url = urlsplit(given)
    # Tokens of visitors go there: never in clear.
    if url.scheme != "https" or not url.hostname or url.username or url.query or url.fragment:
        raise SettingsError(f"{PREFIX}API_SERVER={given!r} must be https://HOST[:PORT]")
    return given.rstrip("/")
