"""`diff`: what differs between two versions: their input, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from recommender_kubectl import text
from recommender_kubectl.objects import Version
from recommender_kubectl.text import Style


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """A field or a metric with two values; None where a version has none."""

    section: str
    field: str
    first: object
    second: object


def of_versions(first: Version, second: Version) -> list[Difference]:
    """Return all differences between two versions."""
    pairs: list[tuple[str, Mapping[str, object], Mapping[str, object]]] = [
        ("data", first.data, second.data),
        ("training", first.training, second.training),
        ("lineage", _lineage(first), _lineage(second)),
        ("search", first.found_hyperparameters, second.found_hyperparameters),
        ("metrics", first.metrics, second.metrics),
        ("outcome", _outcome(first), _outcome(second)),
    ]
    found = []
    for section, one, other in pairs:
        left, right = dict(_leaves(one)), dict(_leaves(other))
        found += [
            Difference(section=section, field=f, first=left.get(f), second=right.get(f))
            for f in sorted(left.keys() | right.keys())
            if left.get(f) != right.get(f)
        ]
    return found


def render(names: tuple[str, str], differences: list[Difference], style: Style) -> list[str]:
    """Return the differences as a table."""
    if not differences:
        return [f"{names[0]} and {names[1]} do not differ"]
    rows = [(one.section, one.field, *cells(one)) for one in differences]
    return text.table(["SECTION", "FIELD", *names, "CHANGE"], rows, style)


def cells(one: Difference) -> tuple[str, str, str]:
    """Return both values as text, and by how much a number changed."""
    return _shown(one.first), _shown(one.second), _change(one)


def _lineage(version: Version) -> dict[str, object]:
    return {
        "dataVersion": version.data_version,
        "dataRows": version.data_rows,
        "codeVersion": version.code_version,
        "seed": version.seed,
        "recalibratedFrom": version.recalibrated_from,
    }


def _outcome(version: Version) -> dict[str, object]:
    decision = version.decision
    return {"stage": version.stage, "reason": decision.reason if decision else None}


def _leaves(node: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the path and the value of each leaf; lists are leaves, so that they stay whole."""
    if isinstance(node, Mapping) and (node or not path):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, node


def _shown(value: object) -> str:
    if value is None:
        return text.NOTHING
    return text.number(value) if isinstance(value, float) else str(value)


def _change(one: Difference) -> str:
    """Return by how much a number changed; empty for anything else."""
    first, second = one.first, one.second
    numbers = (int, float)
    if isinstance(first, bool) or isinstance(second, bool):
        return ""
    if not isinstance(first, numbers) or not isinstance(second, numbers):
        return ""
    return f"{second - first:+.4g}"
