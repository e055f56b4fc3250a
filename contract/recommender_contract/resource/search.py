"""Hyperparameter search: `spec.training.search`."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_contract.resource.base import ApiModel


class Sampler(enum.StrEnum):
    """Algorithm that proposes the next configuration."""

    TPE = "TPE"
    RANDOM = "Random"
    GRID = "Grid"


class SearchRange(ApiModel):
    min: float | None = Field(default=None, description="Minimum; the default range's if absent.")
    max: float | None = Field(default=None, description="Maximum; the default range's if absent.")
    log: bool | None = Field(
        default=None,
        description="Whether to search on a logarithmic scale; the default range's if absent.",
    )
    choices: Annotated[tuple[float, ...], Field(min_length=1, max_length=20)] | None = Field(
        default=None, description="The values to choose from, instead of a range."
    )
    points: int = Field(
        default=3,
        ge=2,
        le=20,
        description="With Grid, number of evenly spaced values in the range.",
    )


class SearchSpec(ApiModel):
    sampler: Sampler = Field(
        default=Sampler.TPE,
        description="How to choose the next trial: TPE (from earlier results), Random, or Grid.",
    )
    trials: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="Number of trials. Except with Grid, the first trial uses the values of "
        "hyperparameters.",
    )
    seconds: int | None = Field(
        default=None,
        ge=1,
        le=604800,
        description="Start no trial after this many seconds; no limit if absent.",
    )
    parallelism: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Number of search processes, each with the memory of a training. With more "
        "than one, repeated searches may give different results.",
    )
    folds: int = Field(
        default=3,
        ge=1,
        le=5,
        description="Number of rolling-origin folds: each trains on the past and validates on "
        "the period after it, all before the test window.",
    )
    seeds: int = Field(
        default=3,
        ge=1,
        le=10,
        description="Number of fits of the best settings, with consecutive seeds from "
        "training.seed, to report their spread; the first fit becomes the model.",
    )
    pruning: bool = Field(
        default=True, description="Stop a trial that is worse than the median at the same step."
    )
    space: dict[str, SearchRange] = Field(
        default={},
        description="Hyperparameters to search, by name: each with min and max, choices, or {} "
        "for its default range. If empty: learningRate, weightDecay, dropout, userDropout and "
        "embeddingDim in their default ranges.",
    )
