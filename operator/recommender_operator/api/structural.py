"""Convert the JSON Schema of a pydantic model to a structural schema of apiextensions/v1.

The API server accepts neither `$ref` nor `anyOf` with null nor closed objects (it prunes unknown
fields), and only the boolean form of `exclusiveMinimum`.
"""

from __future__ import annotations

from typing import Any

from recommender_contract.resource.base import ApiModel

Json = dict[str, Any]

_KEEP = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "required",
    "x-kubernetes-int-or-string",
)
#: Maximum number of entries of a map; without it, the API server rejects CEL rules over the map
#: as too expensive.
MAX_PROPERTIES = 100


def structural(model: type[ApiModel], description: str, *, defaults: bool = True) -> Json:
    """Return the structural schema of a model.

    Args:
        model: the pydantic model.
        description: description of the schema; the models' docstrings are for programmers.
        defaults: whether to include defaults (not for a status).
    """
    source = model.model_json_schema(by_alias=True, mode="validation")
    schema = _convert(source, source.get("$defs", {}), defaults=defaults)
    return {"description": description} | {k: v for k, v in schema.items() if k != "description"}


def _convert(node: Json, definitions: Json, *, defaults: bool) -> Json:
    node = _resolve(node, definitions)
    schema: Json = {key: node[key] for key in _KEEP if key in node}
    if "const" in node:
        schema["enum"] = [node["const"]]
    _bounds(node, schema)
    if schema.get("type") == "integer":
        schema["format"] = "int64"
    if "properties" in node:
        schema["properties"] = {
            name: _convert(child, definitions, defaults=defaults)
            for name, child in node["properties"].items()
        }
    elif isinstance(node.get("additionalProperties"), dict):
        child = _convert(node["additionalProperties"], definitions, defaults=defaults)
        schema |= {"additionalProperties": child, "maxProperties": MAX_PROPERTIES}
    if node.get("additionalProperties") is True:
        schema["x-kubernetes-preserve-unknown-fields"] = True
    if "items" in node:
        schema["items"] = _convert(node["items"], definitions, defaults=defaults)
        schema["x-kubernetes-list-type"] = "atomic"
    if defaults and node.get("default") is not None:
        schema["default"] = _prune(node["default"], schema)
    return schema


def _resolve(node: Json, definitions: Json) -> Json:
    """Inline a reference, and replace an optional type by the type itself.

    Raises:
        ValueError: the node is a union of several types.
    """
    if "anyOf" in node:
        others = [option for option in node["anyOf"] if option.get("type") != "null"]
        if len(others) != 1:
            raise ValueError(f"a union is not structural: {node}")
        siblings = {key: value for key, value in node.items() if key != "anyOf"}
        return _resolve(others[0] | siblings, definitions)
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[-1]]
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        return _resolve(target | siblings, definitions)
    return node


def _bounds(node: Json, schema: Json) -> None:
    """Replace an exclusive bound of JSON Schema by a bound and a flag, as in OpenAPI 3.0."""
    for side in ("Minimum", "Maximum"):
        bound = node.get(f"exclusive{side}")
        if bound is not None:
            schema[side.lower()] = bound
            schema[f"exclusive{side}"] = True


def _prune(default: object, schema: Json) -> object:
    """Remove nulls, and values that equal the defaults of the fields, from a default."""
    if isinstance(default, dict):
        children = schema.get("properties", {})
        pruned = {
            name: _prune(value, children.get(name, {}))
            for name, value in default.items()
            if value is not None
        }
        return {
            name: value
            for name, value in pruned.items()
            if "default" not in children.get(name, {}) or value != children[name]["default"]
        }
    if isinstance(default, list | tuple):
        return [_prune(value, schema.get("items", {})) for value in default]
    return default
