"""The label that a mapping declares: `spec.data.source.mapping.label`.

`recommender_training.config.label` has the same settings; a test compares the two.
"""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_operator.api.base import ApiModel

EventType = Annotated[str, Field(min_length=1, max_length=64)]


class NegativesBy(enum.StrEnum):
    POPULARITY = "Popularity"
    UNIFORM = "Uniform"


class PositiveType(ApiModel):
    type: EventType = Field(description="Event type, exactly as in the column.")
    weight: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="Weight of a positive row of this type in the fit, relative to the other "
        "types: with 5 for purchases and 1 for clicks, a purchase counts five times as much as "
        "a click. Positive rows weigh 1 on average. Lists count each positive event once.",
    )


class Attribution(ApiModel):
    impressions: Annotated[tuple[EventType, ...], Field(min_length=1, max_length=50)] = Field(
        description="Event types of the impressions, the rows that models learn from. A type "
        "that is in positiveTypes, too, is an impression with its response in one row: the other "
        "impressions are items that were only shown, and no part of sessions.",
    )
    hours: float = Field(
        gt=0,
        le=2160,
        description="Length of the window after an impression. Impressions whose window is still "
        "open at the newest event have no label yet and are left out.",
    )


class Negatives(ApiModel):
    per_positive: int = Field(
        default=4, ge=1, le=100, description="Items drawn for each positive event."
    )
    by: NegativesBy = Field(
        default=NegativesBy.POPULARITY,
        description="Popularity: an item is drawn as often as it occurs in earlier events. "
        "Uniform: all items with an earlier event are drawn alike.",
    )
    seed: int = Field(
        default=0, ge=0, le=2_147_483_647, description="Another seed draws other items."
    )


class Label(ApiModel):
    minimum_value: float | None = Field(
        default=None,
        ge=1,
        le=5,
        description="The least value of a positive event, on the scale of 1 to 5 that lowest and "
        "highest are mapped to; 4 if neither it nor positiveTypes are set.",
    )
    positive_types: (
        Annotated[tuple[PositiveType, ...], Field(min_length=1, max_length=50)] | None
    ) = Field(
        default=None,
        description="Event types that are positive, whatever their value. Requires "
        "interactions.eventType.",
    )
    attribution: Attribution | None = Field(
        default=None,
        description="Delayed labels: an impression is positive if an event of positiveTypes by "
        "the same user with the same item follows within hours. Other impressions are negative.",
    )
    negatives: Negatives | None = Field(
        default=None,
        description="For logs of positive events alone: items to draw as negatives, of those "
        "with an earlier event that the user has no positive event with. Requires positiveRate.",
    )
    positive_rate: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="The true share of positive responses. Probabilities are corrected to it by "
        "the log-odds. If absent, that of the training rows. Set it if negatives are drawn, or "
        "if the log has only a sample of the impressions.",
    )
