"""Strategies of declarations, their artifacts and requests."""

from __future__ import annotations

import math
import string
from typing import Any

from hypothesis import strategies as st

from recommender_serving.protocols.v2_messages import NamedTensor
from tests.unit.recommender_serving.serving_calendars import CALENDARS
from tests.unit.recommender_serving.serving_samples import (
    VOCABULARY,
    categorical,
    declared,
    numeric,
)

Content = dict[str, Any]
KINDS = ("Categorical", "MultiCategorical", "Boolean", "Numeric", "Timestamp", "Embedding")
#: Seconds of the years 1 to 2100.
TIMES = (-62_135_596_800, 4_102_444_800)
POPULAR: Content = {"items": [0, 1], "scores": [1.0, 0.5]}
#: Prefixed, so that no name is that of a field or of another feature's drift feature.
names = st.text(string.ascii_lowercase + "_0", min_size=1, max_size=4).map("f_".__add__)
texts = st.text(min_size=1, max_size=8)
categories = st.lists(texts, unique=True, max_size=5)
numbers = st.floats(-1e6, 1e6)


@st.composite
def columns(draw: st.DrawFn, name: str, kinds: tuple[str, ...]) -> Content:
    """A declared feature, as vocabulary.json has it."""
    of = draw(st.sampled_from(["user", "context"]))
    kind = draw(st.sampled_from(kinds))
    if kind == "Embedding":
        return declared(name, of, kind, length=draw(st.integers(1, 3)))
    if kind in ("Categorical", "MultiCategorical"):
        settings: Content = {"categories": draw(categories)}
        if draw(st.sampled_from([False, False, True])):
            count = draw(st.integers(2, 5))
            buckets = [f"#{number}" for number in range(count)]
            settings = {"categories": buckets, "hashBuckets": count}
        if kind == "MultiCategorical":
            return declared(name, of, kind, maxPerRow=draw(st.integers(1, 3)), **settings)
        default = texts
    elif kind == "Boolean":
        settings = {"categories": ["false", "true"]}
        default = st.sampled_from(["false", "true"])
    elif kind == "Timestamp":
        if draw(st.booleans()):
            return declared(name, of, kind, **draw(st.sampled_from(CALENDARS)))
        edges = st.lists(st.floats(1e-3, 1e6), max_size=4)
        return declared(name, of, kind, edges=sorted(set(draw(edges))))
    else:
        low, high = sorted(draw(st.tuples(numbers, numbers)))
        settings = {
            "minimum": draw(st.sampled_from([None, low])),
            "maximum": draw(st.sampled_from([None, high])),
            "edges": sorted(set(draw(st.lists(numbers, max_size=4)))),
        }
        default = numbers.map(str)
    if draw(st.sampled_from([False, False, True])):
        settings["servedAs"] = draw(default)
    return declared(name, of, kind, **settings)


@st.composite
def artifacts(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> dict[str, Content]:
    """The contents of vocabulary.json, reference.json and popularity.json."""
    own = draw(st.lists(names, unique=True, max_size=8))
    split = draw(st.integers(0, len(own)))
    features = [draw(columns(name, kinds)) for name in own[:split]]
    count = draw(st.integers(1, 6))
    items: Content = {"ids": draw(st.permutations(range(count))), "features": []}
    for name in own[split:]:
        known = draw(categories)
        code = st.integers(-1, len(known) - 1)
        primary = draw(st.lists(code, min_size=count, max_size=count))
        items["features"].append({"name": name, "categories": known, "primary": primary})
    vocabulary = VOCABULARY | {"features": features, "items": items}
    return {
        "vocabulary": vocabulary,
        "reference": draw(references(vocabulary)),
        "popularity": draw(popularities(vocabulary)),
    }


@st.composite
def references(draw: st.DrawFn, vocabulary: Content) -> Content:
    """Counts of every drift feature, with some of its categories."""
    features = [numeric("session_length", [2.0], [1, 1]), numeric("top_score", [], [1])]
    for each in vocabulary["features"]:
        if "servedAs" in each:
            continue
        if each["kind"] == "Embedding":
            features.append(numeric(each["name"], [1.0], [1, 1]))
        elif "edges" in each:
            features.append(numeric(each["name"], each["edges"], [1] * (len(each["edges"]) + 1)))
        else:
            features.append(draw(listed(each["name"], each["categories"])))
    features += [
        draw(listed(f"last_{each['name']}", each["categories"]))
        for each in vocabulary["items"]["features"]
    ]
    schema = "recommender.dev/reference/v1"
    return {"schema": schema, "sessions": 2, "features": features}


@st.composite
def listed(draw: st.DrawFn, name: str, known: list[str]) -> Content:
    some = draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    return categorical(name, some, [1] * len(some))


@st.composite
def popularities(draw: st.DrawFn, vocabulary: Content) -> Content:
    """The list of all users, and lists by some of the features."""
    grouped = [each for each in vocabulary["features"] if group_count(each)]
    if not grouped:
        return POPULAR
    of = draw(st.lists(st.sampled_from(grouped), min_size=1, max_size=2))
    of = list({each["name"]: each for each in of}.values())
    groups = st.tuples(*(st.integers(-1, group_count(each) - 1) for each in of)).map(list)
    segments = draw(st.lists(groups, unique_by=tuple, max_size=6))
    users = draw(st.lists(st.integers(0, 3), unique=True, max_size=4))
    return POPULAR | {
        "segments": {
            "features": [each["name"] for each in of],
            "lists": [
                {"values": values, "items": [100 + i], "scores": [1.0]}
                for i, values in enumerate(segments)
            ],
            "users": {"ids": users, "values": [draw(groups) for _ in users]},
        }
    }


def group_count(feature: Content) -> int:
    """The categories or bands; none of an age, whose band changes with the request, or a list."""
    if feature["kind"] == "Numeric":
        return len(feature["edges"]) + 1
    return 0 if feature["kind"] == "MultiCategorical" else len(feature.get("categories", []))


@st.composite
def values(draw: st.DrawFn, feature: Content) -> Any:
    """A valid value of a request, as JSON."""
    if feature["kind"] == "Boolean":
        return draw(st.booleans())
    if feature["kind"] == "Categorical":
        known = feature["categories"]
        return draw(st.sampled_from(known) | texts if known else texts)
    if feature["kind"] == "MultiCategorical":
        known = feature["categories"]
        each = st.sampled_from(known) | texts if known else texts
        return draw(st.lists(each, max_size=feature["maxPerRow"]))
    if feature["kind"] == "Embedding":
        length = feature["length"]
        return draw(st.lists(st.floats(-1e30, 1e30), min_size=length, max_size=length))
    if feature["kind"] == "Timestamp":
        return draw(st.integers(-(10**9), 2_000) | st.integers(*TIMES))
    low, high = bounds(feature)
    whole = (
        st.integers(math.ceil(low), math.floor(high)) if math.ceil(low) <= high else st.nothing()
    )
    return draw(st.floats(low, high) | whole)


def bounds(feature: Content) -> tuple[float, float]:
    low, high = feature["minimum"], feature["maximum"]
    return -1e30 if low is None else low, 1e30 if high is None else high


@st.composite
def instances(draw: st.DrawFn, vocabulary: Content) -> Content:
    """A valid v1 instance; features may be left out or null."""
    instance: Content = {
        "user_id": draw(st.integers(0, 4)),
        "timestamp": 1_000,
        "session": [{"item": item} for item in draw(st.lists(st.integers(0, 8), max_size=7))],
        "user": {},
        "context": {},
    }
    for each in vocabulary["features"]:
        given = st.none() if "servedAs" in each else st.none() | values(each)
        if draw(st.booleans()):
            instance[each["of"]][each["name"]] = draw(given)
    return instance


def tensors_of(instance: Content, vocabulary: Content) -> list[NamedTensor]:
    """The same request by the v2 protocol."""
    datatypes = {
        "Categorical": "BYTES", "Boolean": "BOOL", "Numeric": "FP64", "Timestamp": "INT64",
        "MultiCategorical": "BYTES", "Embedding": "FP64",
    }  # fmt: skip
    items = [event["item"] for event in instance["session"]]
    inputs = [
        NamedTensor("user_id", "INT64", [1], [instance["user_id"]]),
        NamedTensor("timestamp", "INT64", [1], [instance["timestamp"]]),
        NamedTensor("session_items", "INT64", [len(items)], items),
    ]
    for each in vocabulary["features"]:
        value = given(each, instance)
        if value is not None:
            many = value if isinstance(value, list) else [value]
            inputs.append(NamedTensor(each["name"], datatypes[each["kind"]], [len(many)], many))
    return inputs


def given(feature: Content, instance: Content) -> Any:
    """The value of a feature in an instance; None if it is left out."""
    return instance[feature["of"]].get(feature["name"])
