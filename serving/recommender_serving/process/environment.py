"""Settings that the operator gives as environment variables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from recommender_contract.online_store import HIDDEN, Hide
from recommender_runtime import redis_access
from recommender_serving.domain.callers import UNKNOWN, Callers
from recommender_serving.experiments.holdout import Holdout
from recommender_serving.experiments.peers import Addresses
from recommender_serving.process.json_settings import (
    parse_callers,
    parse_exploration,
    parse_holdout,
    parse_list_limits,
)
from recommender_serving.ranking.answer_cache import Bounds
from recommender_serving.ranking.exploration import Exploration
from recommender_serving.ranking.list_composition import UNLIMITED, ListLimits

MAX_TIMEOUT_MS = 60_000
_PEER = r"((?:[A-Za-z0-9._-]|\{version\})+:[0-9]{1,5})"
_PEERS = re.compile(f"{_PEER},{_PEER}")
_SEGMENTS = re.compile(r"[a-z][a-z0-9_]{0,39}(?:,[a-z][a-z0-9_]{0,39}){0,2}")
DEFAULT_TRACE_RATIO = 0.01
CALLERS = "RECOMMENDER_CALLERS"
Read = TypeVar("Read")


class SettingsError(Exception):
    """A setting is missing or invalid; the message names it and the remedy."""


def hide(environ: Mapping[str, str]) -> frozenset[Hide]:
    """Return the items that answers leave out.

    Raises:
        SettingsError: an unknown name.
    """
    text = environ.get("RECOMMENDER_HIDE")
    if text is None:
        return HIDDEN
    try:
        return frozenset(map(Hide, filter(None, map(str.strip, text.split(",")))))
    except ValueError:
        raise SettingsError(
            f"RECOMMENDER_HIDE is {text[:100]!r}: give names among {', '.join(Hide)}, with commas "
            "between them, or an empty text to hide nothing"
        ) from None


def store(environ: Mapping[str, str]) -> redis_access.Access | None:
    """Return how to connect to the collector's store.

    Raises:
        SettingsError: see `redis_access.parse`.
    """
    try:
        return redis_access.parse_access(environ)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def collector(environ: Mapping[str, str]) -> str | None:
    """Return the base URL of the collector.

    Raises:
        SettingsError: it is no such URL.
    """
    url = environ.get("RECOMMENDER_COLLECTOR_URL", "")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not _has_address(parts) or parts.path.strip("/"):
        raise SettingsError(
            f"RECOMMENDER_COLLECTOR_URL is {url[:100]!r}: give http://HOST:PORT or https://..."
        )
    return url


def peers(environ: Mapping[str, str]) -> Addresses:
    """Return the addresses of the other versions.

    Raises:
        SettingsError: they are not two addresses.
    """
    text = environ.get("RECOMMENDER_PEERS", "")
    if not text:
        return Addresses()
    found = _PEERS.fullmatch(text)
    if found is None:
        raise SettingsError(
            f"RECOMMENDER_PEERS is {text[:100]!r}: give HOST:PORT of REST and of gRPC with a "
            "comma between them, and {version} for the name of a version"
        )
    return Addresses(found[1], found[2])


def _has_address(parts: SplitResult) -> bool:
    """Return whether a URL has a host, and no port or one that exists."""
    try:
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def impressions(environ: Mapping[str, str]) -> float:
    """Return the share of the answers that the collector gets.

    Raises:
        SettingsError: it is not from 0 to 1.
    """
    return _share("RECOMMENDER_IMPRESSIONS", environ.get("RECOMMENDER_IMPRESSIONS", "0"))


def predictions(environ: Mapping[str, str]) -> bool:
    """Return whether impressions have the probabilities of their items.

    Raises:
        SettingsError: it is neither true nor false.
    """
    return _switch(environ, "RECOMMENDER_PREDICTIONS")


def cache(environ: Mapping[str, str]) -> Bounds | None:
    """Return the bounds of the cache of answers, if there is one.

    Raises:
        SettingsError: they are not three whole numbers above 0.
    """
    text = environ.get("RECOMMENDER_ANSWER_CACHE", "")
    if not text:
        return None
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts) or not (
        len(parts) == 3 and all(map(int, parts))
    ):
        raise SettingsError(
            f"RECOMMENDER_ANSWER_CACHE is {text[:100]!r}: give seconds, entries and MiB as three "
            "whole numbers above 0 with commas between them, such as 5,10000,64, or an empty text"
        )
    seconds, entries, size = map(int, parts)
    return Bounds(seconds=seconds, entries=entries, bytes=size * 2**20)


def list_limits(environ: Mapping[str, str]) -> ListLimits:
    """Return the limits of lists."""
    return _json(environ, "RECOMMENDER_LIST_LIMITS", parse_list_limits) or UNLIMITED


def exploration(environ: Mapping[str, str]) -> Exploration | None:
    """Return how answers explore, if they do.

    Raises:
        SettingsError: it is no such JSON.
    """
    return _json(environ, "RECOMMENDER_EXPLORATION", parse_exploration)


def holdout(environ: Mapping[str, str]) -> Holdout | None:
    """Return the holdout settings, or None.

    Raises:
        SettingsError: it is no such JSON.
    """
    return _json(environ, "RECOMMENDER_HOLDOUT", parse_holdout)


def _json(environ: Mapping[str, str], variable: str, parse: Callable[[str], Read]) -> Read | None:
    """Return a parsed variable; None if it is empty or not set."""
    text = environ.get(variable)
    if not text:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(f"{variable} is invalid: {error}") from None


def callers(environ: Mapping[str, str]) -> Callers:
    """Return who the callers are: nobody in particular without the variable.

    Raises:
        SettingsError: it is not the JSON of valid settings.
    """
    text = environ.get(CALLERS)
    if text is None:
        return UNKNOWN
    try:
        return parse_callers(text)
    except ValueError as error:
        raise SettingsError(f"{CALLERS}: {error}") from None


def label_segments(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the features by whose values impressions divide their predictions.

    Raises:
        SettingsError: they are not up to three names of features.
    """
    text = environ.get("RECOMMENDER_LABEL_SEGMENTS", "")
    if text and not _SEGMENTS.fullmatch(text):
        raise SettingsError(
            f"RECOMMENDER_LABEL_SEGMENTS is {text[:100]!r}: give up to three names of features "
            "with commas between them, such as device,tier, or an empty text"
        )
    return tuple(filter(None, text.split(",")))


def choice(
    environ: Mapping[str, str], variable: str, choices: tuple[str, ...], default: str
) -> str:
    """Return a choice, whatever the case of its letters."""
    given = environ.get(variable) or default
    for each in choices:
        if given.casefold() == each.casefold():
            return each
    raise SettingsError(f"{variable} is {given[:100]!r}: give one of {', '.join(choices)}")


def file_of(environ: Mapping[str, str], variable: str) -> Path | None:
    """Return the path in a variable; None if it is not set."""
    given = environ.get(variable)
    return Path(given) if given else None


def name_of(flag: str | None, environ: Mapping[str, str], option: str, variable: str) -> str:
    """Return a name that must be given.

    Raises:
        SettingsError: it is missing.
    """
    name = (flag if flag is not None else environ.get(variable, "")).strip()
    if not name:
        raise SettingsError(f"the name is missing: set {variable} or {option}")
    return name


def timeout_ms(flag: int | None, environ: Mapping[str, str]) -> int:
    """Return the timeout of the model in milliseconds.

    Raises:
        SettingsError: it is out of range.
    """
    text = str(flag) if flag is not None else environ.get("RECOMMENDER_TIMEOUT_MS", "200")
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= MAX_TIMEOUT_MS:
        raise SettingsError(
            f"RECOMMENDER_TIMEOUT_MS or --timeout-ms is {text!r}: "
            f"give whole milliseconds from 1 to {MAX_TIMEOUT_MS}"
        )
    return value


def trace_endpoint(environ: Mapping[str, str]) -> str | None:
    """Return the base URL of the OTLP receiver, if there is one.

    Raises:
        SettingsError: it is no such URL, or has a password.
    """
    url = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if not url:
        return None
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT has a user or a password: give a token as "
            "OTEL_EXPORTER_OTLP_HEADERS"
        )
    if parts.scheme not in ("http", "https") or not _has_address(parts):
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is {url[:100]!r}: give http://HOST:PORT or https://..."
        )
    return url


def trace_ratio(environ: Mapping[str, str]) -> float:
    """Return the share of requests without a trace of their client that get one.

    Raises:
        SettingsError: it is not from 0 to 1.
    """
    text = environ.get("OTEL_TRACES_SAMPLER_ARG") or str(DEFAULT_TRACE_RATIO)
    return _share("OTEL_TRACES_SAMPLER_ARG", text)


def trending(environ: Mapping[str, str]) -> bool:
    """Return whether popularity lists follow what is popular now.

    Raises:
        SettingsError: it is not true or false.
    """
    return _switch(environ, "RECOMMENDER_TRENDING")


def _share(name: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(f"{name} is {text[:100]!r}: give a share from 0 to 1")
    return share


def _switch(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "false")
    if text not in ("true", "false"):
        raise SettingsError(f"{name} is {text[:40]!r}: give true or false")
    return text == "true"
