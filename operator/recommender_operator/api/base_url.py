"""Base URLs of Prometheus servers: their form, normalization and allow list; query templates.

The operator sends requests to these URLs from inside the cluster. A URL has only scheme, host,
port and path: a query, fragment, user or escape could address another resource than the allowed
one.
"""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Collection
from urllib.parse import urlsplit

MAX_LENGTH = 512
#: Valid in RE2 and Python. No path segment starts with a dot, so `.` and `..` are impossible;
#: without `%` there are no escapes, such as an encoded slash.
PATTERN = (
    r"^https?://([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
    r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?$"
)
FORM = "a base URL such as http://prometheus.monitoring:9090"
RULES = (
    "only scheme, host, port and path; no '?', '#', '@', '%', backslash, blank or empty segment, "
    "and no segment that starts with '.'"
)
#: What the query for the losses of a Gateway contains: a model's namespace, a version's Service.
PLACEHOLDERS = frozenset({"namespace", "service"})
_PORTS = {"http": 80, "https": 443}
#: Maximum number of allowed URLs in a message.
_LISTED = 5
#: Maximum length of a refused URL in a message, in characters.
_SHOWN = 200


def normalise(text: str) -> str:
    """Return the normalized URL: scheme and host in lower case, no default port.

    Raises:
        ValueError: the text is not a base URL.
    """
    if len(text) > MAX_LENGTH or re.fullmatch(PATTERN, text) is None:
        raise ValueError(f"must be {FORM}: {RULES}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        if ":" in host:
            host = f"[{ipaddress.IPv6Address(host).compressed}]"
    except ValueError as error:
        raise ValueError(f"must be {FORM}: its host or port is invalid") from error
    if port == 0:
        raise ValueError(f"must be {FORM}: its port must be 1..65535")
    place = host if port is None or port == _PORTS[parts.scheme] else f"{host}:{port}"
    return f"{parts.scheme}://{place}{parts.path.rstrip('/')}"


def refusal(url: str, allowed: Collection[str]) -> str:
    """Return why the operator may not query a URL, and the remedy; empty if it may.

    `allowed` are normalized URLs.
    """
    field = f"rollout.analysis.prometheusUrl {url[:_SHOWN]!r}"
    try:
        if normalise(url) in allowed:
            return ""
    except ValueError as error:
        return f"{field} {error}"
    if not allowed:
        return (
            f"{field} is not allowed: the operator's list of Prometheus servers is empty. Add the "
            "URL to the chart's analysis.prometheusUrls, or set rollout.analysis.provider to "
            "PodScrape"
        )
    listed = ", ".join(sorted(allowed)[:_LISTED])
    more = f" and {len(allowed) - _LISTED} more" if len(allowed) > _LISTED else ""
    return (
        f"{field} is not one of the allowed servers ({listed}{more}). Use one of these, add the "
        "URL to the chart's analysis.prometheusUrls, or set rollout.analysis.provider to PodScrape"
    )


def query_template(text: str) -> string.Template:
    """Return the template of a query with `$namespace` and `$service`.

    Raises:
        ValueError: a placeholder is missing or unknown.
    """
    template = string.Template(text)
    if not template.is_valid() or set(template.get_identifiers()) != PLACEHOLDERS:
        raise ValueError(
            "it must be PromQL with $namespace and $service and no other `$`; write `$$` for one"
        )
    return template
