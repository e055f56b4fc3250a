"""Schema of popularity.json (docs/contracts.md)."""

from __future__ import annotations

from typing import Annotated, Self

import pydantic
from pydantic import Field

from recommender_serving.artifact.file_schemas import (
    MAX_FEATURES,
    File,
    Group,
    Int64,
    Name,
    check_unique,
)

MAX_LISTS = 1000

#: A group of each feature: the index of a category or of a band; -1 unknown.
Groups = Annotated[list[Group], Field(min_length=1, max_length=MAX_FEATURES)]


class PopularItems(File):
    """Items and scores, most popular first."""

    items: list[Int64] = Field(min_length=1, max_length=10_000)
    scores: list[Annotated[float, Field(ge=0, le=1)]]

    @pydantic.model_validator(mode="after")
    def _one_score_an_item(self) -> Self:
        if len(self.items) != len(self.scores):
            raise ValueError(f"{len(self.items)} items but {len(self.scores)} scores")
        if len(set(self.items)) != len(self.items):
            raise ValueError("an item is listed twice")
        return self


class SegmentList(PopularItems):
    """The list of the users and contexts with these values."""

    values: Groups


class SegmentUsers(File):
    """The values of known users."""

    ids: list[Int64] = Field(max_length=1_000_000)
    values: list[Groups]

    @pydantic.model_validator(mode="after")
    def _values_of_each_user(self) -> Self:
        if len(self.ids) != len(self.values):
            raise ValueError(f"{len(self.ids)} users but values of {len(self.values)}")
        return self


class SegmentLists(File):
    """`segments` of popularity.json."""

    features: list[Name] = Field(min_length=1, max_length=MAX_FEATURES)
    lists: list[SegmentList] = Field(max_length=MAX_LISTS)
    users: SegmentUsers

    @pydantic.model_validator(mode="after")
    def _one_value_a_feature(self) -> Self:
        check_unique(self.features, "the feature")
        for values in (*(each.values for each in self.lists), *self.users.values):
            if len(values) != len(self.features):
                raise ValueError(f"{len(values)} values for {len(self.features)} features")
        return self


class PopularityFile(PopularItems):
    """popularity.json: the list of all users and, if a feature has coldStart, those by segment."""

    segments: SegmentLists | None = None
