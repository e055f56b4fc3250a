"""Schema of reference.json (docs/contracts.md)."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal, Self

import pydantic
from pydantic import AfterValidator, Field

from recommender_serving.artifact.file_schemas import (
    MAX_ALL_BINS,
    MAX_BINS,
    MAX_FEATURES,
    Category,
    Count,
    File,
    Finite,
    check_unique,
)

OTHER, NULL, UNKNOWN = "other", "null", "unknown"  # bins without an index
#: A larger design effect says no more, so it is lowered: it is no reason to refuse a model.
LARGEST_EFFECT = 1e6


def _lowered(effect: float) -> float:
    return min(effect, LARGEST_EFFECT)


DesignEffect = Annotated[float, Field(ge=1), AfterValidator(_lowered)]


class _Feature(File):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    counts: list[Count] = Field(max_length=MAX_BINS)
    nulls: Count = 0
    unknowns: Count = 0
    design_effect: DesignEffect = Field(default=1.0, alias="designEffect")
    missing_design_effect: DesignEffect = Field(default=1.0, alias="missingDesignEffect")

    def bins(self) -> dict[str, int]:
        """Return the count of each bin, by its name in the metrics."""
        indexed = {str(index): count for index, count in enumerate(self.counts)}
        return indexed | {NULL: self.nulls, UNKNOWN: self.unknowns}


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
    """Counts of the most frequent categories, and of all others that the vocabulary has."""

    kind: Literal["categorical"]
    categories: list[Category]
    others: Count = 0

    def bins(self) -> dict[str, int]:
        """Return the count of each bin, by its name in the metrics."""
        return _Feature.bins(self) | {OTHER: self.others}

    @pydantic.model_validator(mode="after")
    def _categories_fit(self) -> Self:
        check_unique(self.categories, f"{self.name}: the category")
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
    features: list[Feature] = Field(min_length=1, max_length=MAX_FEATURES)

    @pydantic.model_validator(mode="after")
    def _each_feature_once(self) -> Self:
        check_unique([feature.name for feature in self.features], "the feature")
        return self

    @pydantic.model_validator(mode="after")
    def _bins_fit_a_page(self) -> Self:
        bins = sum(len(each.bins()) for each in self.features)
        if bins > MAX_ALL_BINS:
            raise ValueError(
                f"{bins} bins of {len(self.features)} features, more than {MAX_ALL_BINS}: "
                "list fewer categories of each"
            )
        return self
