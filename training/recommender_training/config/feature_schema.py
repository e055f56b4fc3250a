"""Feature schema: the features and the label that a team declares of its tables.

A declaration says for each feature where it comes from, what kind it is and what it is used for,
and which responses are positive (`config.label`). Ingestion, checks, models, requests, drift,
fairness and popularity lists follow from it.

The settings are those of the resource (`recommender_contract.resource`).
"""

from __future__ import annotations

import enum
import json
from typing import Annotated, Self

from pydantic import Field, model_validator

from recommender_contract.features import MAX_FEATURES, PER_ROW
from recommender_contract.resource import label_segments
from recommender_training.common.section import Section
from recommender_training.config import table_rules
from recommender_training.config.feature import Feature
from recommender_training.config.label import Label


class FeatureTable(enum.StrEnum):
    """Where a feature comes from."""

    USERS = "users"
    ITEMS = "items"
    CONTEXT = "context"


Features = Annotated[tuple[Feature, ...], Field(max_length=MAX_FEATURES)]


class FeatureSchema(Section):
    """All features of a data set, and its label; a value of 4 or more is positive without one."""

    users: Features = ()
    items: Features = ()
    context: Features = ()
    label: Label | None = None
    #: Whether the table of users has several rows for each, which count from a time on.
    user_history: bool = False
    #: The same of the table of items.
    item_history: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        problems = []
        names: set[str] = set()
        last = {f"last_{feature.name}" for feature in self.items}
        for place in FeatureTable:
            for feature in self.of(place):
                where = f"{place}.{feature.name}"
                if feature.name in names:
                    problems.append(f"{where}: two features have this name: rename one")
                names.add(feature.name)
                if feature.served_as is not None and place is not FeatureTable.CONTEXT:
                    problems.append(f"{where}: servedAs is a setting of the context: remove it")
                if place is FeatureTable.ITEMS and feature.ages:
                    problems += table_rules.only_of_requests(where, feature)
                if place is FeatureTable.ITEMS:
                    problems += table_rules.only_of_users(where, feature)
                else:
                    problems += table_rules.only_of_items(where, feature)
                if place is not FeatureTable.ITEMS and feature.name in last:
                    problems.append(f"{where}: the drift of the items uses this name: rename it")
        problems += table_rules.too_many_listed(self.context)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def of(self, place: FeatureTable) -> tuple[Feature, ...]:
        """The features of one place."""
        found: tuple[Feature, ...] = getattr(self, place.value)
        return found

    @property
    def dividing(self) -> tuple[Feature, ...]:
        """The features that divide sessions, as they divide predictions."""
        return label_segments.dividing(self.context, self.users)

    def text(self) -> str:
        """The declaration as JSON, the same text for the same declaration.

        A `maxPerRow` that is its default is left out, as if it was not stated.
        """
        content = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for place in FeatureTable:
            for each in content.get(place.value, ()):
                if each.get("maxPerRow") == PER_ROW:
                    del each["maxPerRow"]
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> FeatureSchema:
        """Read the JSON of `text`. Raises ValueError."""
        return cls.model_validate(json.loads(text), extra="forbid")
