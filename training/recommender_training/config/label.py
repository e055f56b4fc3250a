"""The label: positive responses, the time at which they are known, and the negatives."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from recommender_contract.resource import label


class Label(label.Label):
    """The label of the rows that models are fitted on and evaluated by; its settings fit."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [each.type for each in self.positive_types or ()]
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
