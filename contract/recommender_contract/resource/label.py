"""The label that a mapping declares: `spec.data.source.mapping.label`."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from recommender_contract.events import Kind
from recommender_contract.resource.base import ApiModel

EventType = Annotated[str, Field(min_length=1, max_length=64)]
SECONDS_AN_HOUR = 3600


class NegativesBy(enum.StrEnum):
    """How items are drawn as negatives."""

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

    @property
    def seconds(self) -> int:
        """Length of the window in whole seconds."""
        return max(1, round(self.hours * SECONDS_AN_HOUR))


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

    @property
    def of_shown_items(self) -> bool:
        """True if the labelled rows are items that were shown, and no acts of their user.

        Unless they are positive themselves (`only_shown`).
        """
        if self.attribution is None:
            return False
        shown = self.attribution.impressions
        return shown == (Kind.IMPRESSION,) or self.only_shown != shown

    @property
    def only_shown(self) -> tuple[str, ...]:
        """The types of impressions that are no response as well."""
        positive = {each.type for each in self.positive_types or ()}
        shown = self.attribution.impressions if self.attribution else ()
        return tuple(each for each in shown if each not in positive)

    @property
    def types(self) -> tuple[str, ...]:
        """All event types that the label names."""
        shown = self.attribution.impressions if self.attribution else ()
        return (*(each.type for each in self.positive_types or ()), *shown)
