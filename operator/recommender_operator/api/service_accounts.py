"""Service accounts that models may use: those that the administrator lists for a namespace.

Whoever may create a model could otherwise run pods as any account of the namespace, which RBAC
allows only to those who may create pods.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

#: Names by namespace.
Policy = tuple[tuple[str, tuple[str, ...]], ...]
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME = rf"{_LABEL}(\.{_LABEL})*"
#: Maximum number of accounts in a message.
_LISTED = 5


def policy(accounts: Mapping[str, Iterable[str]]) -> Policy:
    """Return the policy for a mapping from namespaces to names of accounts.

    Raises:
        ValueError: a namespace or a name is invalid.
    """
    parsed = []
    for namespace, listed in accounts.items():
        found = tuple(listed)
        for name, pattern in [(namespace, _LABEL), *((each, _NAME) for each in found)]:
            if re.fullmatch(pattern, name) is None:
                raise ValueError(f"{name!r} is not a Kubernetes name")
        parsed.append((namespace, found))
    return tuple(parsed)


def refusal(field: str, name: str | None, namespace: str, rules: Policy) -> str:
    """Return why a model of a namespace may not use an account, and the remedy.

    Empty if it may.
    """
    allowed = dict(rules).get(namespace, ())
    if name in (None, "default", *allowed):
        return ""
    listed = ", ".join(allowed[:_LISTED]) or "none"
    more = f" and {len(allowed) - _LISTED} more" if len(allowed) > _LISTED else ""
    return (
        f"{field} {name!r} is not an account that models of this namespace may use "
        f"({listed}{more}). Add it to {namespace} in the chart's scheduling.serviceAccounts, or "
        f"remove {field}"
    )
