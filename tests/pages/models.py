"""Whole models and parts of a spec, as pages show them: pure.

A part is completed by the least that a model needs, and then validated as a whole.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema
import yaml

from recommender_contract.api_names import API_VERSION, GROUP
from recommender_contract.resource.mapping import Format
from recommender_operator.api import crd
from recommender_operator.api.spec import RecommenderModelSpec
from recommender_training.common.errors import InputError
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.pages.blocks import Block, of

Json = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Reads YAML as the API server does: a time stays a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
KIND = "RecommenderModel"
#: The least that a model needs.
LEAST: Json = {
    "data": {
        "source": {"persistentVolumeClaim": {"claimName": "raw-data"}, "format": "MovieLens100K"}
    },
    "storage": {"persistentVolumeClaim": {"claimName": "artifacts"}},
}
_INTERACTIONS: Json = {
    "files": "events/*.csv", "user": "user", "item": "item", "timestamp": "at",
}  # fmt: skip


def shown() -> list[Block]:
    """Return the blocks that show a model or a part of its spec."""
    return [block for block in of("yaml") if is_model(documents(block.text)[0])]


def documents(text: str) -> list[Json]:
    """Return the documents of a block of YAML."""
    return [each for each in yaml.load_all(text, _Loader) if each is not None]


def is_model(document: Json) -> bool:
    """Whether this is a model, or a part of one, which begins with `spec`."""
    return document.get("kind") == KIND or list(document) == ["spec"]


def whole(document: Json) -> Json:
    """Return the model that a block shows, completed if it is a part of one."""
    if document.get("kind") == KIND:
        return document
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": KIND,
        "metadata": {"name": "shown"},
        "spec": merged(_base(document["spec"]), document["spec"]),
    }


def _base(spec: Json) -> Json:
    """Return the least spec that the part fits into."""
    base = copy.deepcopy(LEAST)
    source = spec.get("data", {}).get("source", {})
    given = source.get("mapping")
    if given is None:
        return base
    typed = "eventTypes" in given.get("interactions", {})
    value = {"eventType": "kind"} if typed else {"value": "value"}
    base["data"]["source"] |= {
        "format": "CSV" if "csv" in given else "Parquet",
        "mapping": {"interactions": _INTERACTIONS | value},
    }
    return base


def merged(base: Any, given: Any) -> Any:
    """Return a JSON merge patch applied: maps by key, everything else replaced."""
    if not isinstance(base, dict) or not isinstance(given, dict):
        return given
    kept = {key: value for key, value in base.items() if given.get(key, "") is not None}
    changed = {k: merged(base.get(k), v) for k, v in given.items() if v is not None}
    return kept | changed


def fragment_problems(document: Json) -> Iterator[str]:
    """Yield what is wrong with a part of a spec."""
    yield from problems(whole(document))


def problems(model: Json) -> Iterator[str]:
    """Yield what the schema, the API models and the training refuse in a model."""
    if model["apiVersion"] != f"{GROUP}/{API_VERSION}":
        yield f"apiVersion is {model['apiVersion']}"
    # Draft 4 has the boolean exclusiveMinimum of OpenAPI 3.0.
    validator = jsonschema.Draft4Validator(_schema())
    wrong = [f"{e.json_path}: {e.message}"[:300] for e in validator.iter_errors(model)]
    yield from wrong
    if wrong:
        return
    try:
        spec = RecommenderModelSpec.model_validate(model["spec"])
    except ValueError as error:
        yield str(error)
        return
    # The schema prunes what it does not know; here a misspelt field must show.
    yield from (f"{path} is no field" for path in dropped(model["spec"], spec.dump()))
    yield from mapping_problems(model["spec"]["data"]["source"])


def mapping_problems(source: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the training refuses in a mapping."""
    if source.get("mapping") is None:
        return
    try:
        parse_mapping(json.dumps(source["mapping"]), Format(source["format"]))
    except InputError as error:
        yield str(error)


def dropped(given: object, taken: object, at: str = "spec") -> list[str]:
    """Return the paths of what was given and is not in what was taken."""
    if isinstance(given, dict):
        if not isinstance(taken, dict):
            return [at]
        return [p for k, v in given.items() for p in dropped(v, taken.get(k), f"{at}.{k}")]
    if isinstance(given, list):
        if not isinstance(taken, list) or len(given) != len(taken):
            return [at]
        pairs = zip(given, taken, strict=True)
        return [p for i, (g, t) in enumerate(pairs) for p in dropped(g, t, f"{at}[{i}]")]
    # A quantity that was given as an integer is kept as text.
    return [] if given == taken or (isinstance(taken, str) and str(given) == taken) else [at]


@cache
def _schema() -> Json:
    (version,) = crd.recommender_model()["spec"]["versions"]
    schema: Json = version["schema"]["openAPIV3Schema"]
    return schema
