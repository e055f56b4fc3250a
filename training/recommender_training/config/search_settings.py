"""The section `training.search`.

The other side of this contract is `recommender_operator.api.spec_search`; a test holds the
defaults and limits of both together.
"""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_training.common.section import Section


class Sampler(enum.StrEnum):
    """Algorithm that proposes the next configuration."""

    TPE = "TPE"
    RANDOM = "Random"
    GRID = "Grid"


class SearchRange(Section):
    """Search space of one hyperparameter: from `min` to `max`, or one of `choices`."""

    min: float | None = None
    max: float | None = None
    log: bool | None = None
    choices: Annotated[tuple[float, ...], Field(min_length=1, max_length=20)] | None = None
    points: int = Field(default=3, ge=2, le=20)


class SearchSettings(Section):
    """Budget and space of a search. Hyperparameters outside `space` keep their given values."""

    sampler: Sampler = Sampler.TPE
    trials: int = Field(default=20, ge=1, le=1000)
    seconds: int | None = Field(default=None, ge=1, le=604800)
    parallelism: int = Field(default=1, ge=1, le=64)
    folds: int = Field(default=3, ge=1, le=5)
    seeds: int = Field(default=3, ge=1, le=10)
    pruning: bool = True
    space: dict[str, SearchRange] = Field(default={})
