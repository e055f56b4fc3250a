"""Bodies that pages send, read by what receives them: pure.

Each page is about a model of its own, whose features and ids decide what a request may say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from google.protobuf import json_format

from recommender_collector.domain.batch_validation import InvalidBatch, validate_batch
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.validation import Rules
from recommender_contract.features import PER_ROW
from recommender_contract.ids import IdKind, IdKinds
from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.protocols import v2_json, v2_proto
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.request_limits import Limits
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.protocols.v2 import parse_v2
from tests.pages import flags, models
from tests.pages.blocks import ROOT, of
from tests.unit.recommender_serving.serving_samples import VOCABULARY, declared, vocabulary_of

NOW = 1_764_000_000
_CURL = {
    "-H": True, "-d": True, "-X": True, "-s": False, "-i": False, "--fail": False,
    "--silent": False, "--show-error": False, "--retry": True, "--retry-all-errors": False,
}  # fmt: skip
_GRPCURL = {
    "-plaintext": False, "-authority": True, "-import-path": True, "-proto": True, "-d": True,
}  # fmt: skip
#: The pages whose model is a shop with texts as ids; all others have that of MovieLens.
SHOPS = {"docs/send-events.md", "docs/erasure.md"}
#: Paths of the endpoint, of the collector and of its port for administrators.
_FIXED = r"|".join((
    r"/v1/models/recommender:predict", r"/v2/models/recommender/infer", "/openapi.json", "/docs",
    "/v1/events", r"/v1/models/[a-z0-9-]+/users/[\w-]+", "/metrics", "/healthz", "/readyz",
))  # fmt: skip


def curl_problems(page: str, words: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the words after `curl`."""
    line = flags.read(words, _CURL)
    yield from line.problems
    if len(line.words) != 1:
        yield f"curl takes one address, not {line.words}"
        return
    address = re.sub(r"^\$\{?\w+\}?", "http://host", line.words[0])
    path = urlsplit(address).path
    if not re.fullmatch(_FIXED, path):
        yield f"nothing answers at {path}"
    body = line.value("-d")
    if body is not None:
        yield from body_problems(page, path, body)


def body_problems(page: str, path: str, body: str) -> Iterator[str]:
    """Yield what the receiver refuses in a body."""
    try:
        if path.endswith(":predict"):
            parse_v1(json.loads(body), limits_of(page), NOW)
        elif path.endswith("/infer"):
            parse_v2(v2_json.decode(body.encode(), None).tensors, limits_of(page), NOW)
        elif path == "/v1/events":
            rules = Rules(Model.model_validate(_shop()))
            rejected = validate_batch(json.loads(body), {"shop": rules}, NOW).rejected
            yield from (f"event {each.index}: {each.field}: {each.error}" for each in rejected)
        else:
            yield f"{path} takes no body"
    except (InvalidRequest, InvalidBatch, ValueError) as error:
        yield str(error)


def grpcurl_problems(page: str, words: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the words after `grpcurl`."""
    line = flags.read(words, _GRPCURL)
    yield from line.problems
    source = ROOT / (line.value("-import-path") or "") / (line.value("-proto") or "")
    if not source.is_file():
        yield f"{source.relative_to(ROOT)} does not exist"
    if len(line.words) != 2:
        yield f"grpcurl takes an address and a method, not {line.words}"
        return
    service, _, method = line.words[1].rpartition("/")
    found = pb.DESCRIPTOR.services_by_name.get(service.rpartition(".")[2])
    if found is None or found.full_name != service or method not in found.methods_by_name:
        yield f"there is no method {line.words[1]}"
        return
    try:
        request = json_format.Parse(line.value("-d") or "{}", pb.ModelInferRequest())
        parse_v2(v2_proto.decode(request).tensors, limits_of(page), NOW)
    except (json_format.ParseError, InvalidRequest) as error:
        yield str(error)


def limits_of(page: str) -> Limits:
    """Return what requests to the model of a page may say."""
    if page in SHOPS:
        return Limits(ids=IdKinds(user=IdKind.TEXT, item=IdKind.TEXT))
    features = vocabulary_of(VOCABULARY).features
    return Limits(features=features, item_features=("genre",))


def limits_by(mapping: models.Json) -> Limits:
    """Return what requests may say to a model with these declared features."""
    columns = [
        declared(each["name"], place, each["kind"], **_SETTINGS[each["kind"]], **_own(each))
        for table, place in (("users", "user"), ("interactions", "context"))
        for each in mapping.get(table, {}).get("features", ())
        if each["kind"] in _SETTINGS and "servedAs" not in each
    ]
    kinds = {name: IdKind(kind) for name, kind in mapping.get("ids", {}).items()}
    features = vocabulary_of(VOCABULARY | {"features": columns}).features
    return Limits(features=features, ids=IdKinds(**kinds))


_SETTINGS: dict[str, dict[str, Any]] = {
    "Categorical": {"categories": ["one"]},
    "Boolean": {"categories": ["false", "true"]},
    "Numeric": {"edges": []},
    "MultiCategorical": {"categories": ["one"]},
    "Embedding": {},
}


def _own(feature: models.Json) -> models.Json:
    """Return what the vocabulary has of the declaration of a list."""
    if feature["kind"] == "MultiCategorical":
        between = {"separator": feature["separator"]} if "separator" in feature else {}
        return {"maxPerRow": feature.get("maxPerRow", PER_ROW)} | between
    return {"length": feature["length"]} if feature["kind"] == "Embedding" else {}


def _shop() -> models.Json:
    """Return the declaration of docs/send-events.md, so that its requests fit it."""
    block, *_ = [each for each in of("yaml") if each.page == "docs/send-events.md"]
    (values,) = models.documents(block.text)
    shop: models.Json = values["collector"]["models"]["shop"]
    return shop
