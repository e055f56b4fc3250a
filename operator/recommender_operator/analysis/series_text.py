"""Canonical text of a series: `name{label="value",…}` with the labels in sorted order.

The text is the key of a counter in a `Sample`. Baselines store it, so it must not depend on the
source (a scraped pod, Prometheus, a test).
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from types import MappingProxyType

PREFIX = "recommender_"
#: Labels that identify what is counted (docs/contracts.md). All others identify the source (model,
#: version, and labels that a Prometheus server adds: job, instance, pod, …) and are removed.
COUNTED_LABELS = frozenset({"outcome", "source", "reason", "feature", "bin", "le"})

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', re.DOTALL)
_UNESCAPED = {"n": "\n", "\\": "\\", '"': '"'}


def format_series(name: str, labels: Mapping[str, str]) -> str:
    """Return the canonical text of a series."""
    if not labels:
        return name
    inner = ",".join(f'{key}="{_escape(labels[key])}"' for key in sorted(labels))
    return f"{name}{{{inner}}}"


@functools.lru_cache(maxsize=4096)
def parse_series(text: str) -> tuple[str, Mapping[str, str]]:
    """Return the name and the labels of a series.

    Cached, because all pods of all models have the same few hundred series.

    Raises:
        ValueError: the text is not a series in canonical form.
    """
    name = _NAME.match(text)
    if name is None:
        raise ValueError(f"not a series: {text!r} does not start with a metric name")
    rest = text[name.end() :]
    if not rest:
        return name.group(), MappingProxyType({})
    if len(rest) < 2 or rest[0] != "{" or rest[-1] != "}":
        raise ValueError(f"not a series: {text!r} lacks labels in braces after the name")
    return name.group(), MappingProxyType(_parse_labels(rest[1:-1], text))


def canonical(name: str, labels: Mapping[str, str]) -> str:
    """Return the key of a series in a `Sample`, without the labels of its source.

    Bucket bounds are written as Python floats, because `le="1"` and `le="1.0"` are the same
    bucket, and servers write either.
    """
    kept = {key: value for key, value in labels.items() if key in COUNTED_LABELS}
    if "le" in kept:
        bound = float(kept["le"])
        kept["le"] = "+Inf" if bound == math.inf else repr(bound)
    return format_series(name, kept)


def _parse_labels(inner: str, text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    at = 0
    while at < len(inner):
        label = _LABEL.match(inner, at)
        if label is None:
            raise ValueError(f"not a series: {text!r} has an invalid label at {inner[at:]!r}")
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
