"""The description is true: what it allows is answered, anything else gets a 4xx, never a 5xx."""

from __future__ import annotations

import asyncio
import dataclasses
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.artifact.loader import load
from recommender_serving.protocols.request_limits import Limits
from recommender_serving.server import docs_page, openapi
from tests.unit.recommender_serving.serving_fakes import GOOD, PLAIN, Parts, giving
from tests.unit.recommender_serving.serving_samples import (
    REFERENCE,
    SHOP,
    sample_artifact,
    vocabulary_of,
    write_text_files,
)
from tests.unit.recommender_serving.serving_served import Served

ANSWERED = ["PredictAnswer", "InferAnswer"]


def served_by(folder: Path, kind: str) -> Served:
    """A version with the features of a shop, or with ids that are texts."""
    if kind == "texts":
        write_text_files(folder)
        parts = Parts(folder, giving(PLAIN), giving(PLAIN), artifact=load(folder))
        # Items that the version knows: those of its popularity list answer.
        return Served(folder, parts)
    reference = REFERENCE | {"features": [REFERENCE["features"][3]]}
    artifact = sample_artifact(folder, vocabulary=SHOP, reference=reference)
    return Served(folder, Parts(folder, giving(GOOD), giving(PLAIN), artifact=artifact))


class Described:
    """A served version and its description; calls run in one event loop."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._served = served_by(folder, kind)
        self.document = self.call("GET", "/openapi.json")[1]
        self.schemas = self.document["components"]["schemas"]

    def call(self, method: str, path: str, body: Any = None, content: Any = None) -> Any:
        """Status and JSON of a call."""
        content = json.dumps(body).encode() if content is None else content
        call = self._served.http.request(method, path, content=content)
        answer = self._loop.run_until_complete(call)
        return answer.status_code, json.loads(answer.content)

    def page(self) -> str:
        """The page for people."""
        answer = self._loop.run_until_complete(self._served.http.get("/docs"))
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        return answer.text

    def operations(self) -> list[tuple[str, Any]]:
        """The operations with a body, by their path."""
        paths = self.document["paths"].items()
        return [(path, methods["post"]) for path, methods in paths if "post" in methods]

    def check(self, path: str, body: Any, allowed: set[int]) -> int:
        """Call and validate status and answer against the description."""
        status, answer = self.call("POST", path, body)
        assert status in allowed, (status, answer, body)
        response = self.document["paths"][path]["post"]["responses"][str(status)]
        self.validate(answer, response["content"]["application/json"]["schema"])
        return int(status)

    def validate(self, value: Any, schema: Mapping[str, Any]) -> None:
        jsonschema.Draft202012Validator(
            dict(schema) | {"components": {"schemas": self.schemas}}
        ).validate(value)

    def close(self) -> None:
        self._loop.run_until_complete(self._served.http.aclose())
        self._loop.close()


@pytest.fixture(scope="module", params=["shop", "texts"])
def described(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Described(tmp_path_factory.mktemp("artifact"), request.param)
    yield made
    made.close()


def test_every_path_is_served_and_every_reference_leads_somewhere(described: Described) -> None:
    for path, methods in described.document["paths"].items():
        if "get" in methods:
            assert described.call("GET", path)[0] in {200, 503}, path
    text = json.dumps(described.document)
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in described.schemas
    for schema in described.schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_example_is_answered_and_fits_its_schema(described: Described) -> None:
    for path, operation in described.operations():
        content = operation["requestBody"]["content"]["application/json"]
        assert content["examples"]
        for example in content["examples"].values():
            described.validate(example["value"], content["schema"])
            assert described.check(path, example["value"], {200}) == 200


@given(data=st.data())
def test_what_the_description_allows_is_answered(described: Described, data: Any) -> None:
    schema = described.schemas["Instance"]
    instance = data.draw(values(schema))
    if (
        "user_id" not in instance
        and not instance.get("session")
        and not instance.get("seed_items")
    ):
        instance["user_id"] = data.draw(values(schema["properties"]["user_id"]))
    # The one rule that a schema does not tell: all events have a time, or none has.
    for event in instance.get("session", []):
        event.pop("timestamp", None)
    described.validate(instance, schema)
    described.check("/v1/models/recommender:predict", {"instances": [instance]}, {200})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**64) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["user_id", "session", "item", "top_n", "allow", "user", "inputs", "name",
                         "datatype", "shape", "data", "seed_items"]) | st.text(max_size=3),
        inner,
        max_size=5,
    ),
    max_leaves=15,
)  # fmt: skip


@given(data=st.data())
def test_anything_else_gets_a_4xx_as_described(described: Described, data: Any) -> None:
    path = data.draw(st.sampled_from([path for path, _ in described.operations()]))
    body = data.draw(
        ANYTHING
        | st.fixed_dictionaries({"instances": st.lists(ANYTHING, max_size=3)})
        | st.fixed_dictionaries({"inputs": st.lists(ANYTHING, max_size=3)})
    )
    described.check(path, body, {200, 400})


@given(raw=st.binary(max_size=40))
def test_any_bytes_get_a_4xx(described: Described, raw: bytes) -> None:
    for path, _ in described.operations():
        assert described.call("POST", path, content=raw)[0] == 400


def test_the_page_shows_every_operation_with_its_examples(described: Described) -> None:
    page = described.page()
    for path, operation in described.operations():
        assert f"POST {path}" in page
        for example in operation["requestBody"]["content"]["application/json"][
            "examples"
        ].values():
            assert html.escape(json.dumps(example["value"])) in page
    for name in described.schemas["Instance"]["properties"]:
        assert f"<code>{name}</code>" in page
    assert "<script" not in page


def test_the_page_escapes_what_a_declaration_says() -> None:
    vocabulary = vocabulary_of(SHOP)
    odd = dataclasses.replace(vocabulary.features["plan"], index={"<b>'": 0})
    limits = Limits(features={**vocabulary.features, "plan": odd})
    made = docs_page.page(openapi.document(limits, "recommender", "v<1>"))
    assert "<b>" not in made
    assert "v<1>" not in made
    assert "&lt;b&gt;" in made


def values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values of the kinds of schemas that requests have."""
    kind = schema["type"]
    if kind == "object":
        each = {name: values(inner) for name, inner in schema.get("properties", {}).items()}
        required = {name: each.pop(name) for name in schema.get("required", [])}
        return st.fixed_dictionaries(required, optional=each)
    if kind == "array":
        most = min(schema.get("maxItems", 4), schema.get("minItems", 0) + 3)
        return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=most)
    if kind == "integer":
        numbers = st.integers(schema["minimum"], schema["maximum"])
        return numbers.filter(lambda number: {"const": number} != schema.get("not"))
    if kind == "number":
        return st.floats(schema["minimum"], schema["maximum"])
    if kind == "boolean":
        return st.booleans()
    # Control characters are refused in ids; a schema with a pattern for them would be unreadable.
    letters = st.characters(min_codepoint=33, max_codepoint=1000, exclude_categories=["Cc", "Cs"])
    return st.text(letters, min_size=schema.get("minLength", 0), max_size=12)
