"""Canonical text of a series: `name{label="value",…}` with the labels in sorted order.

The text is the key of a counter in a `Sample`; it travels through ConfigMaps, so it must be the
same whoever wrote it (a scraped pod, Prometheus, a test).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Labels that say whose series it is, not what it counts.
IDENTITY_LABELS = frozenset({"model", "version"})

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', re.DOTALL)
_UNESCAPED = {"n": "\n", "\\": "\\", '"': '"'}


def format_series(name: str, labels: Mapping[str, str]) -> str:
    """Return the canonical text of a series."""
    if not labels:
        return name
    inner = ",".join(f'{key}="{_escape(labels[key])}"' for key in sorted(labels))
    return f"{name}{{{inner}}}"


def parse_series(text: str) -> tuple[str, dict[str, str]]:
    """Return the name and the labels of a series.

    Raises:
        ValueError: the text is not a series in canonical form.
    """
    name = _NAME.match(text)
    if name is None:
        raise ValueError(f"not a series: {text!r} has no metric name at its start")
    rest = text[name.end() :]
    if not rest:
        return name.group(), {}
    if len(rest) < 2 or rest[0] != "{" or rest[-1] != "}":
        raise ValueError(f"not a series: {text!r} has no labels in braces after the name")
    return name.group(), _parse_labels(rest[1:-1], text)


def _parse_labels(inner: str, text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    at = 0
    while at < len(inner):
        label = _LABEL.match(inner, at)
        if label is None:
            raise ValueError(f"not a series: {text!r} has a broken label at {inner[at:]!r}")
        labels[label.group(1)] = _unescape(label.group(2))
        at = label.end()
        if at < len(inner):
            if inner[at] != ",":
                raise ValueError(f"not a series: {text!r} lacks a comma before {inner[at:]!r}")
            at += 1
    return labels


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _unescape(value: str) -> str:
    return re.sub(r"\\(.)", lambda m: _UNESCAPED.get(m.group(1), m.group(0)), value)
