"""The OpenAPI description of one version: its own features, ids and limits: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recommender_contract.headers import DEADLINE_HEADER, ID_HEADER, MAX_DEADLINE_MS
from recommender_contract.ids import IdKind
from recommender_serving.protocols.request_limits import Limits
from recommender_serving.protocols.v2_messages import MAX_ID
from recommender_serving.server.openapi_schemas import Schema, ref, schemas

JSON = "application/json"
CLIENT_ERRORS = {
    "400": "The request violates the schema; `error` names field, value and remedy.",
    "404": "No such model, or no such version of it.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "503": "Too many large bodies at the moment; try again.",
}


def document(limits: Limits, model: str, version: str) -> Schema:
    """Return the description, in OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Recommendations of {model}",
            "version": version,
            "description": "The inference protocols v1 and v2 of KServe. The features, ids and "
            "limits are those of the version that answers this page.",
        },
        "paths": dict(_paths(limits, model)),
        "components": {"schemas": schemas(limits)},
    }


def _paths(limits: Limits, model: str) -> Iterator[tuple[str, Schema]]:
    yield (
        f"/v1/models/{model}:predict",
        _post("predict", "Recommend for up to "
              f"{limits.max_instances} users, sessions or items", "Predict", v1_examples(limits)),
    )  # fmt: skip
    yield (
        f"/v2/models/{model}/infer",
        _post("infer", "Recommend by the open inference protocol, one request a call",
              "Infer", {"user": v2_example(limits)}),
    )  # fmt: skip
    probes = {
        "/v2/health/live": "Whether the process runs",
        "/v2/health/ready": "Whether it should receive traffic",
        f"/v1/models/{model}": "Whether the model answers, and not a fallback",
        f"/v2/models/{model}/ready": "Whether the model answers, and not a fallback",
        f"/v2/models/{model}": "The tensors of the v2 protocol",
        "/v1/models": "The models",
        "/v2/models": "The models",
        "/v2": "The server",
    }
    for path, summary in probes.items():
        responses = {"200": _response("The answer.", {"type": "object"})}
        if summary.startswith("Whether"):
            responses["503"] = _response("It is not.", ref("Error"))
        yield path, {"get": {"summary": summary, "responses": responses}}


def _post(operation: str, summary: str, name: str, examples: Mapping[str, Any]) -> Schema:
    errors = {status: _response(text, ref("Error")) for status, text in CLIENT_ERRORS.items()}
    answer = _response("The recommendations.", ref(f"{name}Answer"))
    answer["headers"] = {
        name: {"schema": {"type": "string"}}
        for name in ("x-request-id", "x-recommender-version", "x-recommender-source")
    }
    content = {
        "schema": ref(f"{name}Request"),
        "examples": {key: {"value": value} for key, value in examples.items()},
    }
    headers = [
        {
            "name": ID_HEADER,
            "in": "header",
            "description": "The id that the answer has, for events about it; a new one if absent.",
            "schema": {"type": "string", "pattern": f"^[!-~]{{1,{MAX_ID}}}$"},
        },
        {
            "name": DEADLINE_HEADER,
            "in": "header",
            "description": "How long the client waits; faster fallbacks answer in time.",
            "schema": {"type": "integer", "minimum": 1, "maximum": MAX_DEADLINE_MS},
        },
    ]
    return {
        "post": {
            "operationId": operation,
            "summary": summary,
            "parameters": headers,
            "requestBody": {"required": True, "content": {JSON: content}},
            "responses": {"200": answer, **errors},
        }
    }


def v1_examples(limits: Limits) -> dict[str, Schema]:
    """Return v1 bodies that every version with these limits accepts."""
    user, item = _example(limits.ids.user), _example(limits.ids.item)
    seen = [{"item": item, "timestamp": 1_700_000_000, "value": 4.0}]
    instances: dict[str, Schema] = {
        "user": {"user_id": user, "top_n": limits.default_top_n},
        "session": {"session": seen},
        "more-like-this": {"seed_items": [item], "excluded_items": [item]},
    }
    return {name: {"instances": [instance]} for name, instance in instances.items()}


def v2_example(limits: Limits) -> Schema:
    """Return a v2 body that every version with these limits accepts."""
    kind = "BYTES" if limits.ids.user is IdKind.TEXT else "INT64"
    values = {"user_id": (kind, _example(limits.ids.user)), "top_n": ("INT64", 1)}
    return {
        "inputs": [
            {"name": name, "shape": [1], "datatype": datatype, "data": [value]}
            for name, (datatype, value) in values.items()
        ]
    }


def _example(kind: IdKind) -> int | str:
    return 1 if kind is IdKind.INTEGER else "id-1"


def _response(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {JSON: {"schema": schema}}}
