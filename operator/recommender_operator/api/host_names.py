"""Host names of models: their form, and which of them a namespace may use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
#: A host name as the Gateway API takes it (RFC 1123), without a wildcard. Other scripts are there
#: in their ASCII form (xn--…). The last label is no number, so that no IP address is one.
PATTERN = rf"^({_LABEL}\.)*[a-z0-9]([-a-z0-9]{{0,61}}[a-z0-9])?$"
NUMBER_AT_END = r"(^|\.)[0-9]+$"
MAX_LENGTH = 253
FORM = (
    "a host name of labels in lower case, such as films.shop.example.com, with no wildcard, no "
    "dot at either end, no IP address, and labels of at most 63 characters"
)
#: Stands for the model's namespace in a suffix.
NAMESPACE = "{namespace}"
#: Suffixes by pattern of namespaces (`*` stands for any characters), in order.
Policy = tuple[tuple[str, tuple[str, ...]], ...]
_NAMESPACES = r"[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?"
#: Most characters of a host and most suffixes that a message shows.
_SHOWN, _LISTED = 253, 5


def is_host_name(text: str) -> bool:
    """Return whether a text has the form of a host name."""
    return (
        len(text) <= MAX_LENGTH
        and re.fullmatch(PATTERN, text) is not None
        and re.search(NUMBER_AT_END, text) is None
    )


def default(model: str, namespace: str, domain: str) -> str:
    """Return the host name of a model that names none.

    Names of models and namespaces are DNS labels, so no two models have the same.
    """
    return f"{model}.{namespace}.{domain}"


def policy(suffixes: Mapping[str, Iterable[str]]) -> Policy:
    """Return the policy that a mapping from patterns of namespaces to suffixes stands for.

    Raises:
        ValueError: a pattern or a suffix has not the form of one.
    """
    read = []
    for pattern, listed in suffixes.items():
        if re.fullmatch(_NAMESPACES, pattern) is None:
            raise ValueError(f"{pattern!r} must be a namespace, in which * may stand for any text")
        found = tuple(listed)
        for suffix in found:
            if not is_host_name(suffix.replace(NAMESPACE, "n")):
                raise ValueError(f"suffix {suffix!r} of {pattern!r} must be {FORM}")
        read.append((pattern, found))
    return tuple(read)


def allowed(rules: Policy, namespace: str, domain: str) -> tuple[str, ...]:
    """Return the suffixes of a namespace: its own part of the domain, and those of the policy."""
    found = [f"{namespace}.{domain}"]
    for pattern, suffixes in rules:
        expression = ".*".join(re.escape(part) for part in pattern.split("*"))
        if re.fullmatch(expression, namespace) is not None:
            found += [suffix.replace(NAMESPACE, namespace) for suffix in suffixes]
    return tuple(dict.fromkeys(found))


def ends_in(host: str, suffix: str) -> bool:
    """Return whether a host is a suffix or below it, by whole labels."""
    return host == suffix or host.endswith(f".{suffix}")


def covers(pattern: str, host: str) -> bool:
    """Return whether a hostname of a route, which may begin with `*.`, covers a host."""
    if not pattern.startswith("*."):
        return pattern == host
    return host.endswith(pattern[1:])


def refusal(host: str, suffixes: tuple[str, ...]) -> str:
    """Return why a namespace with these suffixes may not use a host; empty if it may."""
    shown = f"serving.host {host[:_SHOWN]!r}"
    if not is_host_name(host):
        return f"{shown} must be {FORM}"
    if any(ends_in(host, suffix) for suffix in suffixes):
        return ""
    more = f" and {len(suffixes) - _LISTED} more" if len(suffixes) > _LISTED else ""
    return (
        f"{shown} is not below a suffix that this namespace may use "
        f"({', '.join(suffixes[:_LISTED])}{more}). Choose a host below one of these, leave "
        "serving.host out, or add the suffix to the chart's gateway.allowedHosts"
    )
