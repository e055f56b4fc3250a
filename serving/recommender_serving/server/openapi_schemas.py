"""The schemas of requests and answers of one version, for its OpenAPI description: pure."""

from __future__ import annotations

from typing import Any

from recommender_contract.categories import longest_entry
from recommender_contract.events import MAX_CATEGORY, Source
from recommender_contract.features import Kind
from recommender_contract.ids import MAX_BYTES, IdKind
from recommender_serving.domain.features import MAX_NUMBER, Feature, Place
from recommender_serving.domain.types import ScoreKind
from recommender_serving.protocols import selection_validation as selection
from recommender_serving.protocols import validation
from recommender_serving.protocols.request_limits import Limits, inputs
from recommender_serving.protocols.v2_json import MAX_TENSORS
from recommender_serving.protocols.v2_messages import ALL_OUTPUTS, ARM, MAX_ID

Schema = dict[str, Any]


def schemas(limits: Limits) -> Schema:
    """Return the schemas by name."""
    return {
        "PredictRequest": _object(
            {
                "instances": {
                    "type": "array",
                    "items": ref("Instance"),
                    "minItems": 1,
                    "maxItems": limits.max_instances,
                }
            },
            ["instances"],
        )
        | {"additionalProperties": True},
        "Instance": _instance(limits),
        "PredictAnswer": _object(
            {"predictions": {"type": "array", "items": ref("Prediction")}}, ["predictions"]
        ),
        "Prediction": _prediction(limits),
        "InferRequest": _infer_request(limits),
        "InferAnswer": _infer_answer(),
        "Error": _object({"error": {"type": "string"}}, ["error"]),
    }


def _instance(limits: Limits) -> Schema:
    item, time = _item(limits.ids.item), _whole(0, validation.LATEST_TIMESTAMP)
    value = {"type": "number", "minimum": -validation.MAX_VALUE, "maximum": validation.MAX_VALUE}
    event = _object({"item": item, "timestamp": time, "value": value}, ["item"])
    fields: Schema = {
        "user_id": _id(limits.ids.user) | {"description": "An unknown user is no error."},
        "session": {
            "type": "array",
            "items": event,
            "maxItems": limits.max_session,
            "description": "Every event has a timestamp, or none has.",
        },
        "timestamp": time | {"description": "Of the request, in seconds; now if absent."},
        "top_n": _whole(1, limits.max_top_n) | {"default": limits.default_top_n},
        "session_id": {
            "type": "string",
            "minLength": 1,
            "maxLength": validation.MAX_SESSION_ID,
        },
        "seed_items": _list(item, 0, selection.MAX_SEEDS) | {"description": "More like these."},
        "candidate_items": _list(item, 1, selection.MAX_ITEMS) | {"description": "Only these."},
        "excluded_items": _list(item, 0, selection.MAX_ITEMS) | {"description": "Never these."},
    }
    for place in Place:
        given = {
            each.name: _feature(each)
            for each in limits.features.values()
            if each.place is place and each.served_as is None
        }
        fields[place.value] = _object(given, []) | {"description": f"Features of the {place}."}
    category = {"type": "string", "minLength": 1, "maxLength": selection.MAX_CATEGORY}
    values = _list(category, 1, selection.MAX_VALUES)
    for rule in ("allow", "deny"):
        fields[rule] = _object(dict.fromkeys(limits.item_features, values), [])
    either = [
        {"required": ["user_id"]},
        {"required": ["session"], "properties": {"session": {"minItems": 1}}},
        {"required": ["seed_items"], "properties": {"seed_items": {"minItems": 1}}},
    ]
    return _object(fields, []) | {"anyOf": either}


def _feature(feature: Feature) -> Schema:
    if feature.kind is Kind.NUMERIC:
        low, high = max(feature.low, -MAX_NUMBER), min(feature.high, MAX_NUMBER)
        return {"type": "number", "minimum": low, "maximum": high}
    if feature.kind is Kind.TIMESTAMP:
        return _whole(validation.EARLIEST_PAST, validation.LATEST_TIMESTAMP)
    if feature.kind is Kind.BOOLEAN:
        return {"type": "boolean"}
    if feature.kind is Kind.EMBEDDING:
        number = {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}
        return _list(number, feature.width, feature.width)
    text: Schema = {"type": "string", "minLength": 1, "maxLength": validation.MAX_CATEGORY}
    text |= {"examples": list(feature.index)[:5]}
    if feature.kind is not Kind.MULTI_CATEGORICAL:
        return text
    if feature.separator is not None:
        text["maxLength"] = longest_entry(feature.separator, feature.width)
    between = f"; {feature.separator!r} separates them in a string too" * bool(feature.separator)
    told = {"description": f"Categories of at most {MAX_CATEGORY} characters, of which "
            f"repeated ones count once{between}."}  # fmt: skip
    return _list(text | {"minLength": 0}, 0, feature.width) | told


def _prediction(limits: Limits) -> Schema:
    fields: Schema = {
        "items": {"type": "array", "items": _item(limits.ids.item)},
        "scores": {"type": "array", "items": {"type": "number"}},
        "score_kind": {"type": "string", "enum": [kind.value for kind in ScoreKind]},
        "source": {"type": "string", "enum": [source.value for source in Source]},
        "version": {"type": "string"},
        "request_id": {"type": "string"},
    }
    arm = {"type": "string", "description": "Of the user, while an experiment runs."}
    return _object(fields | {ARM: arm}, list(fields))


def _infer_request(limits: Limits) -> Schema:
    tensor = _object(
        {
            "name": {"type": "string", "enum": [each.name for each in inputs(limits)]},
            "datatype": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
        ["name", "datatype", "shape", "data"],
    )
    wanted = {"name": {"type": "string", "enum": list(ALL_OUTPUTS)}}
    fields: Schema = {
        "id": {"type": "string", "maxLength": MAX_ID},
        "inputs": _list(tensor, 1, MAX_TENSORS),
        "outputs": _list(_object(wanted, ["name"]), 0, MAX_TENSORS),
        "parameters": {"type": "object"},
    }
    return _object(fields, ["inputs"]) | {"additionalProperties": True}


def _infer_answer() -> Schema:
    tensor = _object(
        {
            "name": {"type": "string", "enum": list(ALL_OUTPUTS)},
            "datatype": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "data": {"type": "array"},
        },
        ["name", "datatype", "shape", "data"],
    )
    text = {"type": "string"}
    fields: Schema = {"id": text, "model_name": text, "model_version": text}
    return _object(fields | {"outputs": {"type": "array", "items": tensor}}, [*fields, "outputs"])


def _id(kind: IdKind) -> Schema:
    if kind is IdKind.TEXT:
        # The limit is in bytes; this many characters always fit.
        return {"type": "string", "minLength": 1, "maxLength": MAX_BYTES}
    return {"type": "integer", "minimum": validation.INT64_MIN, "maximum": validation.INT64_MAX}


def _item(kind: IdKind) -> Schema:
    """Return the schema of an item's id; -1 is the padding of sessions."""
    return _id(kind) | ({"not": {"const": -1}} if kind is IdKind.INTEGER else {})


def _whole(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def _list(items: Schema, least: int, most: int) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _object(properties: Schema, required: list[str]) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def ref(name: str) -> Schema:
    """Return the reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}
