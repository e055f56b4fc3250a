"""The popularity lists in memory, checked against the vocabulary."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from recommender_serving.artifact.popularity_file import PopularItems, PopularityFile, SegmentLists
from recommender_serving.artifact.row_index import ABSENT, RowIndex
from recommender_serving.domain.features import UNKNOWN, Feature, Features

#: Items with their scores, most popular first.
Listed = tuple[tuple[int, float], ...]
#: A group of each feature of the segments.
Groups = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Segments:
    """Lists by the groups of `features`, and the groups of known users in one flat column."""

    features: tuple[Feature, ...]
    lists: dict[Groups, Listed]  # only of known groups
    users: RowIndex
    values: array[int]

    def of_user(self, user_id: int) -> Sequence[int]:
        """Return the groups of a user; those that are not known are -1."""
        width = len(self.features)
        row = self.users.row_of(user_id)
        if row == ABSENT:
            return (UNKNOWN,) * width
        return self.values[row * width : (row + 1) * width]


@dataclass(frozen=True, slots=True)
class Popularity:
    """The list of all users and, if the version has them, those by segment."""

    overall: Listed
    segments: Segments | None = None

    def items(self) -> Iterator[int]:
        """Yield the items of all lists."""
        lists = {} if self.segments is None else self.segments.lists
        for listed in (self.overall, *lists.values()):
            yield from (item for item, _ in listed)


def build_popularity(file: PopularityFile, features: Features) -> Popularity:
    """Convert popularity.json.

    Raises:
        ValueError: a feature is not declared, a value is no group of its feature, or a list or a
            user is listed twice.
    """
    if file.segments is None:
        return Popularity(_pairs(file))
    try:
        return Popularity(_pairs(file), _segments(file.segments, features))
    except ValueError as error:
        raise ValueError(f"segments: {error}") from None


def _segments(file: SegmentLists, features: Features) -> Segments:
    for name in file.features:
        if name not in features:
            raise ValueError(f"the feature {name} is not in the vocabulary")
    of = tuple(features[name] for name in file.features)
    for values in (*(each.values for each in file.lists), *file.users.values):
        _check(values, of)
    lists: dict[Groups, Listed] = {}
    for each in file.lists:
        groups = tuple(each.values)
        if groups in lists:
            raise ValueError(f"the list of the values {list(groups)} is listed twice")
        lists[groups] = _pairs(each)
    return Segments(
        features=of,
        lists={groups: listed for groups, listed in lists.items() if UNKNOWN not in groups},
        users=RowIndex(file.users.ids),
        values=array("i", (value for values in file.users.values for value in values)),
    )


def _check(values: Sequence[int], features: Sequence[Feature]) -> None:
    for value, feature in zip(values, features, strict=True):
        if value >= feature.groups:
            raise ValueError(f"the value {value} of {feature.groups} of {feature.name}")


def _pairs(listed: PopularItems) -> Listed:
    return tuple(zip(listed.items, listed.scores, strict=True))
