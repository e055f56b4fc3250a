"""The popularity list of a request: by age band and gender, else of all users: pure."""

from __future__ import annotations

from bisect import bisect_right

from recommender_serving.artifact.file_schemas import PopularItems, PopularityFile, SegmentLists
from recommender_serving.domain.types import RecommendRequest

UNKNOWN = -1

#: Items with their scores, most popular first.
Listed = tuple[tuple[int, float], ...]


class PopularityLists:
    """The lists of an artifact in memory; earlier releases have only the list of all users."""

    def __init__(self, file: PopularityFile) -> None:
        self._overall = _pairs(file)
        self._segments = None if file.segments is None else _Segments(file.segments)

    def of(self, request: RecommendRequest) -> Listed:
        """Return the list of the request's segment; if it is unknown, that of all users."""
        if self._segments is None:
            return self._overall
        return self._segments.of(request) or self._overall


class _Segments:
    """The lists by segment, and the segments of known users."""

    def __init__(self, file: SegmentLists) -> None:
        self._edges = file.age_edges
        self._genders = {name: index for index, name in enumerate(file.genders)}
        self._lists = {(each.age_band, each.gender): _pairs(each) for each in file.lists}
        pairs = zip(file.users.age_band, file.users.gender, strict=True)
        self._users = dict(zip(file.users.ids, pairs, strict=True))

    def of(self, request: RecommendRequest) -> Listed | None:
        """Use age and gender of the request; the user table supplies missing ones."""
        band, gender = self._users.get(request.user_id, (UNKNOWN, UNKNOWN))
        if request.age is not None:
            band = bisect_right(self._edges, request.age)
        if request.gender is not None:
            gender = self._genders.get(request.gender, gender)
        return self._lists.get((band, gender))


def _pairs(listed: PopularItems) -> Listed:
    return tuple(zip(listed.items, listed.scores, strict=True))
