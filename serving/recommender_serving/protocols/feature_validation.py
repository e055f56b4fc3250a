"""Validate the declared features of a request: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recommender_contract.categories import BadCategoriesError, categories_of
from recommender_contract.features import Kind
from recommender_serving.domain.features import MAX_NUMBER, Feature, Features, Place, Value
from recommender_serving.protocols.unknown_names import (
    fixed,
    no_features,
    refuse_feature,
    short_list,
)
from recommender_serving.protocols.validation import MAX_CATEGORY, Problems, number_text


def features_of(
    path: str, given: object, place: Place, features: Features, problems: Problems
) -> dict[str, Value]:
    """Return the features that `user` or `context` of a v1 instance gives; null is left out."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        names = [each.name for each in features.values() if each.place is place]
        listing = f"give an object of {short_list(names)}" if names else no_features(place)
        problems.add(path, given, listing)
        return {}
    found: dict[str, Value] = {}
    for name, raw in given.items():
        if problems.full:
            break
        feature = features.get(name)
        shown = f"{path}.{str(name)[:100]}"
        if feature is None or feature.place is not place:
            refuse_feature(shown, str(name), raw, place, features, problems)
        elif (value := value_of(shown, raw, feature, problems)) is not None:
            found[name] = value
    return found


def value_of(path: str, raw: object, feature: Feature, problems: Problems) -> Value | None:
    """Return a valid value of the feature; None if it is left out or invalid.

    A category that the version does not know is valid, since new ones appear any day.
    """
    if raw is None:
        return None
    if feature.served_as is not None:
        problems.add(path, raw, fixed(feature))
        return None
    if feature.kind is Kind.MULTI_CATEGORICAL:
        return _categories(path, raw, feature, problems)
    if feature.kind is Kind.EMBEDDING:
        return _numbers(path, raw, feature, problems)
    if feature.kind is Kind.CATEGORICAL:
        return problems.text(path, raw, MAX_CATEGORY)
    if feature.kind is Kind.NUMERIC:
        return problems.number(path, raw, feature.low, feature.high, f"give {_range(feature)}")
    if feature.kind is Kind.TIMESTAMP:
        return problems.past(path, raw)
    if not isinstance(raw, bool):
        problems.add(path, raw, "give true or false")
        return None
    return "true" if raw else "false"


def _categories(
    path: str, raw: object, feature: Feature, problems: Problems
) -> tuple[str, ...] | None:
    """Return the categories of a list as the tables have them; None without any."""
    if not isinstance(raw, Sequence) or isinstance(raw, str | bytes):
        problems.add(path, raw, f"give a list of at most {feature.width} strings")
        return None
    try:
        return categories_of(raw, feature.separator, feature.width) or None
    except BadCategoriesError as error:
        place = error.place
        where, value = (path, raw) if place is None else (f"{path}[{place}]", raw[place])
        problems.add(where, value, str(error))
        return None


def _numbers(
    path: str, raw: object, feature: Feature, problems: Problems
) -> tuple[float, ...] | None:
    """Return the numbers of an Embedding; None if there is another count of them, or a bad one."""
    length = feature.width
    remedy = f"give a list of {length} finite numbers"
    if not isinstance(raw, Sequence) or isinstance(raw, str | bytes) or len(raw) != length:
        problems.add(path, raw, remedy)
        return None
    found: list[float] = []
    for index, each in enumerate(raw):
        number = problems.number(f"{path}[{index}]", each, -MAX_NUMBER, MAX_NUMBER, remedy)
        if number is None:
            if each is None:
                problems.add(f"{path}[{index}]", each, remedy)
            return None
        found.append(number)
    return tuple(found)


def _range(feature: Feature) -> str:
    low, high = number_text(feature.low), number_text(feature.high)
    if feature.high == MAX_NUMBER and feature.low > -MAX_NUMBER:
        return f"a finite number of at least {low}"
    if feature.low == -MAX_NUMBER and feature.high < MAX_NUMBER:
        return f"a finite number of at most {high}"
    return f"a finite number from {low} to {high}"
