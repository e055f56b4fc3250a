"""The section events.holdout of the spec: users whom the model does not answer."""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_contract.resource.base import ApiModel


class HoldoutAnswers(enum.StrEnum):
    BASELINE = "Baseline"
    POPULARITY = "Popularity"


class HoldoutSpec(ApiModel):
    percent: int = Field(
        ge=1,
        le=10,
        description="Percent of the users that the fallbacks answer in place of the model. Four "
        "times as many others are measured beside them. Another percent adds users or releases "
        "some, and starts the measure again.",
    )
    answers: HoldoutAnswers = Field(
        default=HoldoutAnswers.BASELINE,
        description="What answers these users. Baseline: the baseline model, and the popularity "
        "list if it does not answer. Popularity: the list alone.",
    )
    period: str = Field(
        default="",
        max_length=63,
        pattern=r"^[a-zA-Z0-9._-]*$",
        description="Name of the measured period, such as 2026-q4. Another name starts the "
        "measure again, with the same users.",
    )
    revenue_cap: float = Field(
        default=1000,
        gt=0,
        le=1e9,
        description="Maximum revenue of one user that counts over the whole period, so that one "
        "user cannot decide. Give more for longer periods.",
    )
