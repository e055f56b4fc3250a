"""Schemas of the artifact's files that the transformer reads (docs/contracts.md)."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from recommender_serving.domain import ids
from recommender_serving.domain.ids import IdKind

MAX_BINS = 1000  # of one feature; each is a time series of the version's metrics

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Names = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=MAX_BINS)]


class File(BaseModel):
    """Base of all files; ignores unknown fields, which newer releases may write."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Items(File):
    ids: list[Int64] = Field(min_length=1)
    genre: list[int]

    @pydantic.model_validator(mode="after")
    def _one_genre_an_item(self) -> Self:
        if len(self.ids) != len(self.genre):
            raise ValueError(f"{len(self.ids)} ids but {len(self.genre)} genres")
        return self


class VocabularyFile(File):
    """vocabulary.json."""

    schema_: Literal["recommender.dev/vocabulary/v1"] = Field(alias="schema")
    history_length: int = Field(alias="historyLength", ge=1, le=10_000)
    genders: Names
    occupations: Names
    genres: Names
    items: _Items
    max_top_n: int = Field(alias="maxTopN", ge=1, le=10_000)

    @pydantic.model_validator(mode="after")
    def _genres_in_range(self) -> Self:
        for item, genre in zip(self.items.ids, self.items.genre, strict=True):
            if not -1 <= genre < len(self.genres):
                raise ValueError(f"item {item} has genre {genre} of {len(self.genres)}")
        return self


class _Feature(File):
    name: Literal[
        "age",
        "gender",
        "occupation",
        "session_length",
        "mean_value",
        "last_genre",
        "top_score",
    ]
    counts: list[Count] = Field(max_length=MAX_BINS)
    nulls: Count = 0
    unknowns: Count = 0
    design_effect: float = Field(default=1.0, ge=1, le=1e6, alias="designEffect")


class NumericFeature(_Feature):
    """Counts of a number between fixed edges: one more bin than edges."""

    kind: Literal["numeric"]
    edges: list[Finite]

    @pydantic.model_validator(mode="after")
    def _edges_fit(self) -> Self:
        if any(a >= b for a, b in itertools.pairwise(self.edges)):
            raise ValueError(f"the edges of {self.name} do not increase")
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError(f"{self.name}: {len(self.edges)} edges, {len(self.counts)} counts")
        return self


class CategoricalFeature(_Feature):
    """Counts of a category."""

    kind: Literal["categorical"]
    categories: Names

    @pydantic.model_validator(mode="after")
    def _categories_fit(self) -> Self:
        if len(set(self.categories)) != len(self.categories):
            raise ValueError(f"a category of {self.name} is listed twice")
        if len(self.counts) != len(self.categories):
            raise ValueError(
                f"{self.name}: {len(self.categories)} categories, {len(self.counts)} counts"
            )
        return self


Feature = Annotated[NumericFeature | CategoricalFeature, Field(discriminator="kind")]


class ReferenceFile(File):
    """reference.json."""

    schema_: Literal["recommender.dev/reference/v1"] = Field(alias="schema")
    sessions: Count
    features: list[Feature] = Field(min_length=1, max_length=7)

    @pydantic.model_validator(mode="after")
    def _each_feature_once(self) -> Self:
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            raise ValueError("a feature is listed twice")
        return self


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


class _Ids(File):
    """The types of the ids; absent if both are integers."""

    user: IdKind
    item: IdKind
    hash: Literal["blake2b-63"]


class ManifestFile(File):
    """The part of manifest.json that the transformer needs."""

    schema_: Literal["recommender.dev/manifest/v1"] = Field(alias="schema")
    ids: _Ids | None = None


class ItemIdsFile(File):
    """item_ids.json, in the order of the items of the vocabulary."""

    schema_: Literal["recommender.dev/item-ids/v1"] = Field(alias="schema")
    texts: list[Annotated[str, Field(min_length=1, max_length=ids.MAX_BYTES)]]


class SegmentList(PopularItems):
    """The list of one age band and one gender, by their indices."""

    age_band: Count = Field(alias="ageBand")
    gender: Count


class SegmentUsers(File):
    """Age band and gender of users, by their indices; -1 unknown."""

    ids: list[Int64] = Field(max_length=1_000_000)
    age_band: list[Annotated[int, Field(ge=-1)]] = Field(alias="ageBand")
    gender: list[Annotated[int, Field(ge=-1)]]

    @pydantic.model_validator(mode="after")
    def _one_segment_a_user(self) -> Self:
        if not len(self.ids) == len(self.age_band) == len(self.gender):
            raise ValueError(
                f"{len(self.ids)} users, {len(self.age_band)} age bands and "
                f"{len(self.gender)} genders"
            )
        return self


class SegmentLists(File):
    """`segments` of popularity.json."""

    age_edges: list[int] = Field(alias="ageEdges", max_length=MAX_BINS)
    genders: Names
    lists: list[SegmentList] = Field(max_length=MAX_BINS)
    users: SegmentUsers

    @pydantic.model_validator(mode="after")
    def _segments_are_known(self) -> Self:
        if any(a >= b for a, b in itertools.pairwise(self.age_edges)):
            raise ValueError("the edges of the age bands do not increase")
        for each in self.lists:
            if each.age_band > len(self.age_edges) or each.gender >= len(self.genders):
                raise ValueError(
                    f"a list has age band {each.age_band} of {len(self.age_edges) + 1} and "
                    f"gender {each.gender} of {len(self.genders)}"
                )
        return self


class PopularityFile(PopularItems):
    """popularity.json: the list of all users and, except in earlier releases, those by segment."""

    segments: SegmentLists | None = None
