"""What the contract says of requests of any declaration.

Computed from the contents of an artifact's files, not with the code under test.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

from tests.unit.recommender_serving.serving_calendars import local_code
from tests.unit.recommender_serving.serving_declarations import POPULAR, Content, given


def codes(feature: Content, value: Any) -> list[float]:
    """What the models get of a value, one number a column."""
    width = int(feature.get("maxPerRow") or feature.get("length") or 1)
    if feature["kind"] == "MultiCategorical":
        words = ["-".join(word.split()) for word in value or []]
        found = {code(feature, word) for word in words if word}
        known = sorted(number for number in found if not math.isnan(number))
        return [*known, *[math.nan] * (width - len(known))]
    if feature["kind"] == "Embedding":
        return [math.nan] * width if value is None else [*map(float, value)]
    return [code(feature, value)]


def code(feature: Content, value: Any) -> float:
    """What the models get of one number or category."""
    if value is None:
        return math.nan
    if feature["kind"] == "Numeric":
        return float(value)
    if "calendar" in feature:
        return float(local_code(feature, value))
    if feature["kind"] == "Timestamp":
        return float(value) / 86_400
    word = str(value).lower() if isinstance(value, bool) else value
    known = feature["categories"]
    if "hashBuckets" in feature and word not in known:
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        return float(int.from_bytes(digest, "big") % feature["hashBuckets"])
    return known.index(word) if word in known else math.nan


def group(feature: Content, value: Any) -> int:
    """The group of a value in the segments of popularity.json."""
    if value is not None and feature["kind"] == "Numeric":
        return sum(edge <= float(value) for edge in feature["edges"])
    number = code(feature, value)
    return -1 if math.isnan(number) else int(number)


def popular_items(instance: Content, artifact: dict[str, Content]) -> list[int]:
    """The items of the popularity list of an instance."""
    segments = artifact["popularity"].get("segments")
    if segments is None:
        return list(POPULAR["items"])
    users = dict(zip(segments["users"]["ids"], segments["users"]["values"], strict=True))
    features = {each["name"]: each for each in artifact["vocabulary"]["features"]}
    groups = []
    for i, name in enumerate(segments["features"]):
        of_user = users[instance["user_id"]][i] if instance["user_id"] in users else -1
        options = (
            group(features[name], given(features[name], instance)),
            of_user,
            group(features[name], features[name].get("servedAs")),
        )
        groups.append(next((option for option in options if option != -1), -1))
    found = [each["items"] for each in segments["lists"] if each["values"] == groups]
    return list(found[0]) if found and -1 not in groups else list(POPULAR["items"])


def bins_of(drift: Content, instance: Content, vocabulary: Content) -> list[str]:
    """The bins of a request in a drift feature of reference.json, answered by popularity."""
    own = {each["name"]: each for each in vocabulary["features"]}.get(drift["name"])
    if own is None or own["kind"] not in ("MultiCategorical", "Embedding"):
        return [bin_of(drift, instance, vocabulary)]
    value = given(own, instance)
    words = ["-".join(word.split()) for word in value or []] if "categories" in own else []
    if not value or ("categories" in own and not any(words)):
        return ["null"]
    if own["kind"] == "Embedding":
        return [str(sum(edge <= math.hypot(*value) for edge in drift["edges"]))]
    numbers = {word: code(own, word) for word in words if word}
    named = [None if math.isnan(at) else own["categories"][int(at)] for at in numbers.values()]
    return [_bin_of_category(drift, word) for word in dict.fromkeys(named)]


def _bin_of_category(drift: Content, word: str | None) -> str:
    if word is None:
        return "unknown"
    return str(drift["categories"].index(word)) if word in drift["categories"] else "other"


def bin_of(drift: Content, instance: Content, vocabulary: Content) -> str:
    """The same of a feature with one value."""
    columns = {each["name"]: each for each in vocabulary["features"]}
    items = [event["item"] for event in instance["session"]]
    name = drift["name"]
    if name == "top_score":
        return "null"
    if name == "session_length":
        length = min(len(items), vocabulary["historyLength"])
        return str(sum(edge <= length for edge in drift["edges"]))
    if name in columns:
        value = given(columns[name], instance)
        if value is None:
            return "null"
        if columns[name]["kind"] == "Timestamp" and drift["kind"] == "numeric":
            value = max(0.0, (instance["timestamp"] - value) / 86_400)
        if drift["kind"] == "numeric":
            return str(sum(edge <= value for edge in drift["edges"]))
        known, number = columns[name]["categories"], code(columns[name], value)
    elif not items:
        return "null"
    else:
        catalogue = vocabulary["items"]
        (of_items,) = (each for each in catalogue["features"] if f"last_{each['name']}" == name)
        row = {item: row for row, item in enumerate(catalogue["ids"])}.get(items[-1])
        known = of_items["categories"]
        number = math.nan if row is None else of_items["primary"][row]
    unknown = math.isnan(number) or number < 0
    return _bin_of_category(drift, None if unknown else known[int(number)])
