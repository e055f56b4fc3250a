"""The label: positive responses, the time at which they are known, and the negatives.

The other side of this contract is `recommender_operator.api.spec_label`; a test compares them.
"""

from __future__ import annotations

import enum
from typing import Annotated, Self

from pydantic import Field, model_validator

from recommender_training.common.section import Section

EventType = Annotated[str, Field(min_length=1, max_length=64)]
SECONDS_AN_HOUR = 3600
#: The type of an item that was only shown, as the collector writes it.
IMPRESSION = "impression"


class NegativesBy(enum.StrEnum):
    """How items are drawn as negatives."""

    POPULARITY = "Popularity"
    UNIFORM = "Uniform"


class PositiveType(Section):
    """An event type that is positive, and what such a row weighs in the fit beside the others."""

    type: EventType
    weight: float = Field(default=1.0, gt=0, le=100, allow_inf_nan=False)


class Attribution(Section):
    """Impressions are positive if a positive event of the same user and item follows in time.

    A type that is positive itself, too, is an impression with its response in one row.
    """

    impressions: tuple[EventType, ...] = Field(min_length=1, max_length=50)
    hours: float = Field(gt=0, le=2160, allow_inf_nan=False)

    @property
    def seconds(self) -> int:
        """Length of the window in whole seconds."""
        return max(1, round(self.hours * SECONDS_AN_HOUR))


class Negatives(Section):
    """Items drawn as negatives of each positive event, where none are logged."""

    per_positive: int = Field(default=4, ge=1, le=100)
    by: NegativesBy = NegativesBy.POPULARITY
    seed: int = Field(default=0, ge=0, le=2_147_483_647)


class Label(Section):
    """The label of the rows that models are fitted on and evaluated by."""

    #: Least value of a positive event, from 1 to 5; 4 if neither this nor types are given.
    minimum_value: float | None = Field(default=None, ge=1, le=5, allow_inf_nan=False)
    positive_types: tuple[PositiveType, ...] = Field(default=(), max_length=50)
    attribution: Attribution | None = None
    negatives: Negatives | None = None
    #: True share of positives, to which probabilities are corrected; that of the rows if absent.
    positive_rate: float | None = Field(default=None, gt=0, lt=1, allow_inf_nan=False)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [each.type for each in self.positive_types]
        if self.minimum_value is not None and names:
            raise ValueError("minimumValue and positiveTypes exclude each other: remove one")
        if len(set(names)) < len(names):
            raise ValueError("positiveTypes has a duplicate: list each type once")
        if self.attribution is not None:
            shown = self.attribution.impressions
            if not names:
                raise ValueError("attribution needs positiveTypes, the events to attribute")
            if len(set(shown)) < len(shown):
                raise ValueError("attribution.impressions has a duplicate: list each type once")
            if self.negatives is not None:
                raise ValueError(
                    "negatives and attribution exclude each other: impressions without a "
                    "positive event are the negatives; remove one"
                )
        if self.negatives is not None and self.positive_rate is None:
            raise ValueError(
                "negatives needs positiveRate: drawn rows do not show the true share of positives"
            )
        return self

    @property
    def of_shown_items(self) -> bool:
        """True if the labelled rows are items that were shown, and no acts of their user.

        Unless they are positive themselves (`only_shown`).
        """
        if self.attribution is None:
            return False
        shown = self.attribution.impressions
        return shown == (IMPRESSION,) or self.only_shown != shown

    @property
    def only_shown(self) -> tuple[str, ...]:
        """The types of impressions that are no response as well."""
        positive = {each.type for each in self.positive_types}
        shown = self.attribution.impressions if self.attribution else ()
        return tuple(each for each in shown if each not in positive)

    @property
    def types(self) -> tuple[str, ...]:
        """All event types that the label names."""
        shown = self.attribution.impressions if self.attribution else ()
        return (*(each.type for each in self.positive_types), *shown)
