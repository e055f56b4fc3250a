"""Base addresses of Prometheus servers: one plain form, and what equals what.

The operator sends requests to these addresses from inside the cluster, so an address must be
nothing but scheme, host, port and path: a query, a fragment, a user or an escape could make the
operator ask for another resource than the one that was allowed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

MAX_LENGTH = 512
#: RE2 and Python read it alike. Each path segment starts with another character than a dot, which
#: refuses `.` and `..`; no `%` refuses each escape, an encoded slash among them.
PATTERN = (
    r"^https?://([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
    r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?$"
)
FORM = "a plain base address such as http://prometheus.monitoring:9090"
RULES = (
    "only scheme, host, port and path; no '?', '#', '@', '%', backslash, blank or empty segment, "
    "and no segment that starts with '.'"
)
_PORTS = {"http": 80, "https": 443}
#: Most allowed addresses that a message lists.
_LISTED = 5
#: Most characters of a refused address that a message shows.
_SHOWN = 200


def normalise(text: str) -> str:
    """Return the one spelling of an address: scheme and host in lower case, no default port.

    Raises:
        ValueError: the text is not a plain base address.
    """
    if len(text) > MAX_LENGTH or re.fullmatch(PATTERN, text) is None:
        raise ValueError(f"must be {FORM}: {RULES}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        if ":" in host:
            host = f"[{ipaddress.IPv6Address(host).compressed}]"
    except ValueError as error:
        raise ValueError(f"must be {FORM}: its host or port does not exist") from error
    if port == 0:
        raise ValueError(f"must be {FORM}: its port must be 1..65535")
    place = host if port is None or port == _PORTS[parts.scheme] else f"{host}:{port}"
    return f"{parts.scheme}://{place}{parts.path.rstrip('/')}"


def refusal(url: str, allowed: Collection[str]) -> str:
    """Return why the operator sends no request to an address, with the remedy; empty if it may.

    `allowed` are normalised addresses.
    """
    field = f"analysis.prometheusUrl {url[:_SHOWN]!r}"
    try:
        if normalise(url) in allowed:
            return ""
    except ValueError as error:
        return f"{field} {error}"
    if not allowed:
        return (
            f"{field} is not allowed: the operator's list of Prometheus servers is empty. Add the "
            "address to the chart's analysis.prometheusUrls, or use analysis.provider PodScrape"
        )
    listed = ", ".join(sorted(allowed)[:_LISTED])
    more = f" and {len(allowed) - _LISTED} more" if len(allowed) > _LISTED else ""
    return (
        f"{field} is not one of the allowed servers ({listed}{more}). Use one of these, add the "
        "address to the chart's analysis.prometheusUrls, or use analysis.provider PodScrape"
    )
