"""The leaf fields of the schema of a RecommenderModel, and other values for each."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from recommender_operator.api import crd

Json = dict[str, Any]
#: A step on the way to a leaf: the name of a property, `[]` of a list, `{}` of a map.
Path = tuple[str, ...]
#: Texts to try, by name of the field or, for all others, by their form.
TEXTS: Mapping[str, tuple[str, ...]] = {
    "by": ("income", "i_tags", "Popularity", "Segment"),
    "host": ("shop.example",),
    "prometheusUrl": ("http://other:9090",),
    "timeZone": ("America/Lima",),
    "servedAs": ("2", "true"),
    "start": ("0 7 * * *",),
    "end": ("0 23 * * *",),
}
#: Maps to try, by name of the field.
MAPS: Mapping[str, Json] = {"requests": {"cpu": "9m"}, "limits": {"memory": "7Gi"}}
#: Of an object whose fields the schema leaves to the operator.
OPEN = "x-kubernetes-preserve-unknown-fields"
_COMMON = ("other", "another/*.csv", "shop-9", ";", "'", "movies-00000009")


def schema() -> Json:
    """Return the schema of the spec, as the API server has it."""
    (served,) = crd.recommender_model()["spec"]["versions"]
    spec: Json = served["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return spec


def leaves(node: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Yield each leaf with its schema: a scalar, a list of scalars, or a map of them."""
    within = node.get("additionalProperties")
    if "properties" in node:
        for name, child in node["properties"].items():
            yield from leaves(child, (*path, name))
    elif "properties" in node.get("items", {}):
        yield from leaves(node["items"], (*path, "[]"))
    elif isinstance(within, dict) and "properties" in within:
        yield from leaves(within, (*path, "{}"))
    else:
        yield path, node


def shown(path: Path) -> str:
    """Return a path as people write it."""
    return ".".join(path).replace(".[]", "[]").replace(".{}", "{}")


def changed(spec: Json, path: Path, node: Json) -> Iterator[Json]:
    """Yield the spec with other values of a leaf, in each place where it has the leaf's parent."""
    for place in _places(spec, path[:-1]):
        parent = _at(spec, place)
        for value in _others(path[-1], node, parent.get(path[-1])):
            other = copy.deepcopy(spec)
            _at(other, place)[path[-1]] = value
            yield other


def _places(value: Any, path: Path, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if not path:
        if isinstance(value, dict):
            yield place
        return
    step, rest = path[0], path[1:]
    if step == "[]":
        for index, each in enumerate(value if isinstance(value, list) else ()):
            yield from _places(each, rest, (*place, index))
    elif step == "{}":
        for key, each in (value if isinstance(value, dict) else {}).items():
            yield from _places(each, rest, (*place, key))
    elif isinstance(value, dict) and value.get(step) is not None:
        yield from _places(value[step], rest, (*place, step))


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        value = value[step]
    return value


def _others(name: str, node: Json, now: Any) -> Iterator[Any]:
    """Yield other valid values of a leaf."""
    for value in _candidates(name, node, now):
        if value != now and _is_valid(node, value):
            yield value


def _candidates(name: str, node: Json, now: Any) -> Iterator[Any]:
    if "enum" in node:
        yield from node["enum"]
    elif node["type"] == "boolean":
        yield from (True, False)
    elif node["type"] in ("integer", "number"):
        yield from _numbers(node, now)
    elif OPEN in node:
        yield {}
    elif OPEN in node.get("items", {}):
        yield []
    elif node["type"] == "array":
        had = list(now or ())
        added = [v for v in _candidates(name, node["items"], None) if v not in had]
        yield from ([*had, *added[:1]], added[:1], had[:-1])
        yield from ([value] for value in added[1:])
    elif node["type"] == "object":
        yield {**(now or {}), **MAPS.get(name, {"team.example/field": "other"})}
    elif node.get("format") == "date-time":
        yield "2026-02-03T04:05:06Z"
    elif "data" in name.lower() or name == "version":
        yield from ("i9.u9.t9-0123456789abcdef", *_COMMON)
    else:
        yield from (*TEXTS.get(name, ()), *_COMMON)


def _numbers(node: Json, now: Any) -> Iterator[Any]:
    least = node.get("minimum", 0)
    had = least if now is None else now
    most = node.get("maximum", had + 3)
    whole = node["type"] == "integer"
    for value in (had + 1, had * 2, had / 2, had - 1, (had + most) / 2, least, most):
        yield int(value) if whole else float(value)


def _is_valid(node: Json, value: Any) -> bool:
    """Return whether the schema has room for a value; lists are left to the models."""
    if isinstance(value, str):
        fits = "pattern" not in node or re.search(node["pattern"], value) is not None
        return fits and len(value) <= node.get("maxLength", len(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    least, most = node.get("minimum", value), node.get("maximum", value)
    at_bounds = node.get("exclusiveMinimum") and value == least
    at_bounds = at_bounds or (node.get("exclusiveMaximum") and value == most)
    return bool(least <= value <= most and not at_bounds)
