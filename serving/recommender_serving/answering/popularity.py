"""The popularity list of a request: that of its segment, else that of all users: pure."""

from __future__ import annotations

from recommender_serving.artifact.popularity import Listed, Popularity, Segments
from recommender_serving.domain.features import UNKNOWN
from recommender_serving.domain.types import RecommendRequest


def list_of(request: RecommendRequest, popularity: Popularity) -> Listed:
    """Return the list of the request's segment; if it is unknown or has none, that of all."""
    segments = popularity.segments
    if segments is None:
        return popularity.overall
    return segments.lists.get(_groups(request, segments), popularity.overall)


def _groups(request: RecommendRequest, segments: Segments) -> tuple[int, ...]:
    """Return the group of each feature: of the request, else the user table, else `servedAs`."""
    found = []
    stored = segments.of_user(request.user_id)
    for feature, of_user in zip(segments.features, stored, strict=True):
        group = feature.group(request.features.get(feature.name))
        if group == UNKNOWN:
            group = of_user
        if group == UNKNOWN:
            group = feature.group(feature.served_as)
        found.append(group)
    return tuple(found)
