"""How hyperparameters are searched: `spec.training.search`.

The other side of this contract is `recommender_training.config.search`; a test holds the
defaults and limits of both together.
"""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_operator.api.base import ApiModel


class Sampler(enum.StrEnum):
    TPE = "TPE"
    RANDOM = "Random"
    GRID = "Grid"


class SearchRange(ApiModel):
    min: float | None = Field(
        default=None, description="Least value; that of the declared range if absent."
    )
    max: float | None = Field(
        default=None, description="Largest value; that of the declared range if absent."
    )
    log: bool | None = Field(
        default=None,
        description="Whether the scale is logarithmic; that of the declared range if absent.",
    )
    choices: Annotated[tuple[float, ...], Field(min_length=1, max_length=20)] | None = Field(
        default=None, description="The values there are, in place of a range."
    )
    points: int = Field(
        default=3, ge=2, le=20, description="Values of the range, evenly spaced, in a grid."
    )


class SearchSpec(ApiModel):
    sampler: Sampler = Field(
        default=Sampler.TPE,
        description="How the next settings are chosen: TPE (by what was seen), Random, or Grid.",
    )
    trials: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="Settings to try; those given under hyperparameters first, but in a grid.",
    )
    seconds: int | None = Field(
        default=None,
        ge=1,
        le=604800,
        description="No trial begins after so many seconds of searching; no limit if absent.",
    )
    parallelism: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that search, each with the memory of a training. With more than "
        "one the same search may find other settings.",
    )
    folds: int = Field(
        default=3,
        ge=1,
        le=5,
        description="Rolling-origin folds: each trains on the past and validates on what comes "
        "next, all before the test window.",
    )
    seeds: int = Field(
        default=3,
        ge=1,
        le=10,
        description="Fits of the chosen settings, from the training's seed on, whose spread is "
        "reported; the first is the model.",
    )
    pruning: bool = Field(
        default=True, description="End a trial that is worse than the median at the same step."
    )
    space: dict[str, SearchRange] = Field(
        default={},
        description="Hyperparameters to search, by name, each with min and max, choices, or {} "
        "for its declared range. The declared ranges of learningRate, weightDecay, dropout, "
        "userDropout and embeddingDim if empty.",
    )
