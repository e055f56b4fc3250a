"""Whatever a team declares, requests are read as its artifact says, or refused."""

from __future__ import annotations

import math
import re
import struct
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_serving.artifact.loader import Artifact
from recommender_serving.domain.types import Answer
from recommender_serving.monitoring.drift_features import Bins
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.request_limits import INSTANCE_FIELDS, Limits, inputs
from recommender_serving.protocols.v1 import parse_v1
from recommender_serving.protocols.v2 import parse_v2
from recommender_serving.ranking.fallback_chain import popular, popularity_list
from recommender_serving.triton.inputs import build_tensors
from tests.unit.recommender_serving import serving_declarations as declarations
from tests.unit.recommender_serving import serving_expectations as expected_of
from tests.unit.recommender_serving.serving_declarations import Content
from tests.unit.recommender_serving.serving_samples import (
    SHOP,
    VOCABULARY,
    sample_artifact,
    vocabulary_of,
)

NOW = 2_000


def loaded(contents: dict[str, Content]) -> Artifact:
    with tempfile.TemporaryDirectory() as folder:
        return sample_artifact(Path(folder), **contents)


def limits_of(artifact: Artifact) -> Limits:
    return Limits(features=artifact.vocabulary.features)


@given(st.data())
def test_every_valid_request_is_read_as_the_artifact_says(data: st.DataObject) -> None:
    contents = data.draw(declarations.artifacts())
    artifact, vocabulary = loaded(contents), contents["vocabulary"]
    instance = data.draw(declarations.instances(vocabulary))
    limits = limits_of(artifact)
    (request,) = parse_v1({"instances": [instance]}, limits, NOW)
    assert parse_v2(declarations.tensors_of(instance, vocabulary), limits, NOW) == request

    (sent,) = (
        each for each in build_tensors(request, artifact.vocabulary) if each.name == "features"
    )
    expected = [
        code
        for each in vocabulary["features"]
        for code in expected_of.codes(each, declarations.given(each, instance))
    ] or [math.nan]
    assert (sent.datatype, sent.shape) == ("FP32", (1, len(expected)))
    assert sent.data == struct.pack(f"<{len(expected)}f", *expected)

    listed = popularity_list(request, artifact.popularity)
    assert [item for item, _ in listed] == expected_of.popular_items(instance, contents)

    items, scores = zip(*popular(listed, request, artifact.vocabulary), strict=True)
    answer = Answer(items, scores, Source.POPULARITY)
    placed = list(Bins(artifact).place(request, answer))
    assert placed == [
        (each["name"], place)
        for each in contents["reference"]["features"]
        for place in expected_of.bins_of(each, instance, vocabulary)
    ]


@given(declarations.artifacts())
def test_the_metadata_lists_what_requests_may_give(contents: dict[str, Content]) -> None:
    datatypes = {
        "Categorical": "BYTES", "Boolean": "BOOL", "Numeric": "FP64", "Timestamp": "INT64",
        "MultiCategorical": "BYTES", "Embedding": "FP32",
    }  # fmt: skip
    told = {each.name: (each.datatype, each.shape) for each in inputs(limits_of(loaded(contents)))}
    for each in contents["vocabulary"]["features"]:
        kind = each["kind"]
        count = -1 if kind == "MultiCategorical" else each.get("length", 1)
        expected = None if "servedAs" in each else (datatypes[kind], (count,))
        assert told.get(each["name"]) == expected


OF_NO_KIND = st.lists(st.integers(), min_size=1, max_size=2) | st.dictionaries(
    st.text(max_size=2), st.none()
)
HOSTILE: dict[str, st.SearchStrategy[Any]] = {
    "Categorical": st.just("") | st.text(min_size=65, max_size=70) | st.integers() | st.floats(),
    "Boolean": st.integers() | st.floats() | st.text(max_size=5),
    "Timestamp": st.booleans()
    | st.floats()
    | st.just("2026-01-01")
    | st.sampled_from([declarations.TIMES[0] - 1, declarations.TIMES[1] + 1, 1_764_000_000_000]),
    "MultiCategorical": st.integers()
    | st.text(max_size=5)
    | st.integers(4, 70).map(lambda count: [f"a{place}" for place in range(count)])
    | st.just(["a", None])
    | st.lists(st.text("ab", min_size=65, max_size=70), min_size=1, max_size=1),
    "Embedding": st.floats()
    | st.text(max_size=5)
    | st.lists(st.floats(-1, 1), min_size=4, max_size=5)
    | st.lists(st.sampled_from([math.nan, math.inf, None, 1e31]), min_size=1, max_size=3),
    "Numeric": st.booleans()
    | st.text(max_size=5)
    | st.sampled_from([math.nan, math.inf, -math.inf, 1e31, 10**400, -(10**400)]),
}


def bad_values(feature: Content) -> st.SearchStrategy[Any]:
    if "servedAs" in feature:
        return declarations.values(feature)
    if feature["kind"] == "Embedding":  # a list of whole numbers may be one
        return HOSTILE["Embedding"] | st.just([])
    if feature["kind"] != "Numeric":
        return HOSTILE[feature["kind"]] | OF_NO_KIND
    low, high = declarations.bounds(feature)
    outside = st.sampled_from([math.nextafter(low, -math.inf), math.nextafter(high, math.inf)])
    return st.one_of(outside, HOSTILE["Numeric"] | OF_NO_KIND)


def refused(instance: Content, contents: dict[str, Content]) -> str:
    with pytest.raises(InvalidRequest) as error:
        parse_v1({"instances": [instance]}, limits_of(loaded(contents)), NOW)
    return str(error.value)


def has_features(contents: dict[str, Content]) -> bool:
    return bool(contents["vocabulary"]["features"])


@pytest.mark.parametrize("kind", declarations.KINDS)
@given(st.data())
def test_a_hostile_value_is_always_refused_by_name(kind: str, data: st.DataObject) -> None:
    contents = data.draw(declarations.artifacts((kind,)).filter(has_features))
    instance = data.draw(declarations.instances(contents["vocabulary"]))
    feature = data.draw(st.sampled_from(contents["vocabulary"]["features"]))
    instance[feature["of"]][feature["name"]] = data.draw(bad_values(feature))
    where = re.escape(f"instances[0].{feature['of']}.{feature['name']}")
    assert re.search(rf"{where}(\[\d+])?: got ", refused(instance, contents))


@given(st.data(), declarations.artifacts().filter(has_features))
def test_a_feature_in_another_place_is_told_where_it_belongs(
    data: st.DataObject, contents: dict[str, Content]
) -> None:
    instance = data.draw(declarations.instances(contents["vocabulary"]))
    feature = data.draw(st.sampled_from(contents["vocabulary"]["features"]))
    others = sorted({"user", "context", ""} - {feature["of"]})
    place = data.draw(st.sampled_from(others))
    value = data.draw(st.none() | declarations.values(feature))
    (instance[place] if place else instance)[feature["name"]] = value
    path = f"{place}.{feature['name']}".removeprefix(".")
    own = f"did you mean {feature['of']}.{feature['name']}?"
    remedy = "it is set by the version" if "servedAs" in feature else own
    message = refused(instance, contents)
    assert f"instances[0].{path}: got " in message
    assert remedy in message


@given(st.data(), declarations.artifacts(), st.text(max_size=200))
def test_any_other_name_is_refused(
    data: st.DataObject, contents: dict[str, Content], name: str
) -> None:
    instance = data.draw(declarations.instances(contents["vocabulary"]))
    place = data.draw(st.sampled_from(["user", "context", ""]))
    where = instance[place] if place else instance
    declared = [each["name"] for each in contents["vocabulary"]["features"]]
    assume(name not in (*declared, *INSTANCE_FIELDS))
    where[name] = data.draw(st.none() | st.integers() | OF_NO_KIND)
    assert f"{name[:100]}: got " in refused(instance, contents)


@pytest.mark.parametrize("vocabulary", [VOCABULARY, SHOP])
@given(st.data())
def test_any_values_of_any_types_are_read_or_refused(
    vocabulary: Content, data: st.DataObject
) -> None:
    names = st.sampled_from([each["name"] for each in vocabulary["features"]]) | st.text()
    given = st.dictionaries(names, st.none() | OF_NO_KIND | st.one_of(*HOSTILE.values()))
    instance = {"user_id": 1, "user": data.draw(given), "context": data.draw(given)}
    limits = Limits(features=vocabulary_of(vocabulary).features)
    try:
        (request,) = parse_v1({"instances": [instance]}, limits, NOW)
    except InvalidRequest:
        return
    assert request.features.keys() <= limits.features.keys()
