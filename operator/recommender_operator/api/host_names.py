"""Host names of models: their form, and which ones a namespace may use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
#: A host name of the Gateway API (RFC 1123), without a wildcard; other scripts in their ASCII
#: form (xn--…). The last label is not a number, which excludes IP addresses.
PATTERN = rf"^({_LABEL}\.)*[a-z0-9]([-a-z0-9]{{0,61}}[a-z0-9])?$"
NUMBER_AT_END = r"(^|\.)[0-9]+$"
MAX_LENGTH = 253
FORM = (
    "a host name in lower case, such as films.shop.example.com: no wildcard, no dot at either "
    "end, no IP address, and labels of at most 63 characters"
)
#: Placeholder for the model's namespace in a suffix.
NAMESPACE = "{namespace}"
#: Suffixes by namespace pattern (`*` matches any characters), in order.
Policy = tuple[tuple[str, tuple[str, ...]], ...]
_NAMESPACES = r"[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?"
#: Maximum length of a host, in characters, and maximum number of suffixes in a message.
_SHOWN, _LISTED = 253, 5


def is_host_name(text: str) -> bool:
    """Return whether a text is a valid host name."""
    return (
        len(text) <= MAX_LENGTH
        and re.fullmatch(PATTERN, text) is not None
        and re.search(NUMBER_AT_END, text) is None
    )


def default(model: str, namespace: str, domain: str) -> str:
    """Return the default host name of a model.

    It is unique, because names of models and namespaces are DNS labels.
    """
    return f"{model}.{namespace}.{domain}"


def policy(suffixes: Mapping[str, Iterable[str]]) -> Policy:
    """Return the policy for a mapping from namespace patterns to suffixes.

    Raises:
        ValueError: a pattern or a suffix is invalid.
    """
    parsed = []
    for pattern, listed in suffixes.items():
        if re.fullmatch(_NAMESPACES, pattern) is None:
            raise ValueError(f"{pattern!r} must be a namespace, in which * matches any text")
        found = tuple(listed)
        for suffix in found:
            if not is_host_name(suffix.replace(NAMESPACE, "n")):
                raise ValueError(f"suffix {suffix!r} of {pattern!r} must be {FORM}")
        parsed.append((pattern, found))
    return tuple(parsed)


def allowed(rules: Policy, namespace: str, domain: str) -> tuple[str, ...]:
    """Return a namespace's suffixes: its own subdomain, and those of the policy."""
    found = [f"{namespace}.{domain}"]
    for pattern, suffixes in rules:
        expression = ".*".join(re.escape(part) for part in pattern.split("*"))
        if re.fullmatch(expression, namespace) is not None:
            found += [suffix.replace(NAMESPACE, namespace) for suffix in suffixes]
    return tuple(dict.fromkeys(found))


def ends_in(host: str, suffix: str) -> bool:
    """Return whether a host equals a suffix or is a subdomain of it."""
    return host == suffix or host.endswith(f".{suffix}")


def covers(pattern: str, host: str) -> bool:
    """Return whether a route's hostname, which may start with `*.`, matches a host."""
    if not pattern.startswith("*."):
        return pattern == host
    return host.endswith(pattern[1:])


def refusal(host: str, suffixes: tuple[str, ...]) -> str:
    """Return why a namespace with these suffixes may not use a host, and the remedy.

    Empty if it may.
    """
    shown = f"serving.host {host[:_SHOWN]!r}"
    if not is_host_name(host):
        return f"{shown} must be {FORM}"
    if any(ends_in(host, suffix) for suffix in suffixes):
        return ""
    more = f" and {len(suffixes) - _LISTED} more" if len(suffixes) > _LISTED else ""
    return (
        f"{shown} does not end in a suffix that this namespace may use "
        f"({', '.join(suffixes[:_LISTED])}{more}). Choose a host that does, remove serving.host, "
        "or add the suffix to the chart's gateway.allowedHosts"
    )
