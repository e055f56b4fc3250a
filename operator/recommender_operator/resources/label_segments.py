"""The features by whose values labels are monitored; a transformer reports them."""

from __future__ import annotations

from recommender_contract.features import Kind
from recommender_operator.api.spec_features import Feature
from recommender_operator.api.spec_mapping import DataMapping

#: Features that divide the predictions of a version; the collector knows the same number.
MOST = 3
_NAMED = (Kind.CATEGORICAL, Kind.BOOLEAN)
_LISTS = (Kind.MULTI_CATEGORICAL, Kind.EMBEDDING)


def segment_features(mapping: DataMapping | None) -> tuple[str, ...]:
    """Return the features that impressions must say beside their context.

    The first three count of the features with `segments`, then of those with `fairness`: of each,
    named values of the context, which every impression has, then numbers of the context, then
    features of users. Numbers are reported by their bands, which only the version knows.
    """
    context, users = _dividing(mapping)
    named = [each for each in context if each.kind in _NAMED]
    banded = [each for each in context if each.kind not in _NAMED]
    found = [*named, *banded, *users]
    found.sort(key=lambda each: not each.segments)
    return tuple(each.name for each in found[:MOST] if each not in named)


def divides(mapping: DataMapping | None) -> bool:
    """Return whether any feature divides predictions and sessions."""
    return any(_dividing(mapping))


def _dividing(mapping: DataMapping | None) -> tuple[list[Feature], list[Feature]]:
    """Return the features of the context and of users that divide."""
    if mapping is None:
        return [], []
    users = mapping.users.features if mapping.users is not None else ()
    of_context, of_users = (
        [each for each in features or () if _divides(each)]
        for features in (mapping.interactions.features, users)
    )
    return of_context, of_users


def _divides(feature: Feature) -> bool:
    """Return whether a feature does; requests lack one with `servedAs`, and a list is no value."""
    is_set = (feature.segments or feature.fairness) and feature.served_as is None
    return is_set and feature.kind not in _LISTS
