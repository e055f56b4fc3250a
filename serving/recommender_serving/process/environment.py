"""Settings that the operator gives as environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from recommender_serving.domain.list_limits import UNLIMITED, ListLimits
from recommender_serving.process.list_limits import parse_list_limits
from recommender_serving.store.layout import HIDDEN, Hide

DEFAULT_TRACE_RATIO = 0.01


class SettingsError(Exception):
    """A setting is missing or invalid; the message names it and the remedy."""


def hide(environ: Mapping[str, str]) -> frozenset[Hide]:
    """Return what answers leave out.

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


def store_url(environ: Mapping[str, str]) -> str | None:
    """Return the URL of the collector's store, without a password.

    Raises:
        SettingsError: it is no such URL.
    """
    url = environ.get("RECOMMENDER_STORE_URL", "")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.password is not None:
        raise SettingsError(
            "RECOMMENDER_STORE_URL has a password: give it as RECOMMENDER_STORE_PASSWORD"
        )
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise SettingsError(
            f"RECOMMENDER_STORE_URL is {url[:100]!r}: give redis://HOST:PORT/DB or rediss://..."
        )
    return url


def collector(environ: Mapping[str, str]) -> str | None:
    """Return the base URL of the collector.

    Raises:
        SettingsError: it is no such URL.
    """
    url = environ.get("RECOMMENDER_COLLECTOR_URL", "")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise SettingsError(
            f"RECOMMENDER_COLLECTOR_URL is {url[:100]!r}: give http://HOST:PORT or https://..."
        )
    return url


def impressions(environ: Mapping[str, str]) -> float:
    """Return the share of the answers that the collector gets.

    Raises:
        SettingsError: it is not from 0 to 1.
    """
    text = environ.get("RECOMMENDER_IMPRESSIONS", "0")
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(f"RECOMMENDER_IMPRESSIONS is {text[:40]!r}: give a share from 0 to 1")
    return share


def list_limits(environ: Mapping[str, str]) -> ListLimits:
    """Return the limits of lists."""
    text = environ.get("RECOMMENDER_LIST_LIMITS")
    if not text:
        return UNLIMITED
    try:
        return parse_list_limits(text)
    except ValueError as error:
        raise SettingsError(f"RECOMMENDER_LIST_LIMITS is invalid: {error}") from None


def choice(
    environ: Mapping[str, str], variable: str, choices: tuple[str, ...], default: str
) -> str:
    """Return a choice, whatever the case of its letters."""
    given = environ.get(variable) or default
    for each in choices:
        if given.casefold() == each.casefold():
            return each
    raise SettingsError(f"{variable} is {given[:100]!r}: give one of {', '.join(choices)}")


def trace_endpoint(environ: Mapping[str, str]) -> str | None:
    """Return the base URL of the OTLP receiver, if there is one."""
    url = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if not url:
        return None
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT has a user or a password: give a token as "
            "OTEL_EXPORTER_OTLP_HEADERS"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is {url[:100]!r}: give http://HOST:PORT or https://..."
        )
    return url


def trace_ratio(environ: Mapping[str, str]) -> float:
    """Return the share of requests without a trace of their client that get one."""
    text = environ.get("OTEL_TRACES_SAMPLER_ARG") or str(DEFAULT_TRACE_RATIO)
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise SettingsError(f"OTEL_TRACES_SAMPLER_ARG is {text[:100]!r}: give a share from 0 to 1")
    return ratio
