"""Declarations of models, as the collector reads them: pure.

`mapping` is the section `data.source.mapping` of the RecommenderModel as it is. The operator
checks what fits together in that section.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple, Self

import orjson
from pydantic import ConfigDict, Field, ValidationError, model_validator

from recommender_contract.events import Kind
from recommender_contract.features import NAMED
from recommender_contract.features import Kind as FeatureKind
from recommender_contract.ids import IdKind
from recommender_contract.resource.base import ApiModel
from recommender_contract.resource.feature import Feature
from recommender_contract.resource.mapping import MAX_VALUE, MIN_VALUE, DataMapping

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$")]
Value = Annotated[float, Field(allow_inf_nan=False)]
DAY = 86_400
#: Longest window of a label whose outcomes are counted: users are kept so long.
MOST_OUTCOME_HOURS = 14 * 24
#: Name of the declared feature that impressions fill in: the place of an item, from 1.
POSITION = "position"
_OUTCOMES = frozenset(Kind) - {Kind.IMPRESSION, Kind.SEARCH, Kind.VISIT}


class DeclarationError(Exception):
    """The declaration is invalid; the message names the field, the value and the remedy."""


class Section(ApiModel):
    """A part of a declaration, in which every field is known."""

    model_config = ConfigDict(extra="forbid")


def position_of(mapping: DataMapping) -> Feature | None:
    """Return the feature that is the place of an item in the list that showed it, if declared.

    It is known after the answer alone, so it has `servedAs`.
    """
    for each in mapping.of_context:
        if each.name == POSITION and each.kind is not FeatureKind.BOOLEAN and each.served_as:
            return each
    return None


class Outcome(NamedTuple):
    """When an item of an impression is positive: an event of a kind follows within a window."""

    kinds: frozenset[Kind]
    window_seconds: int


class Model(Section):
    """Events of one RecommenderModel."""

    mapping: DataMapping
    #: Kinds that become rows of the interactions, with their value; null: the event's own value.
    #: The kinds of `eventTypes` if absent.
    interactions: dict[Kind, Value | None] | None = None
    #: Ids stay known, and events are accepted, for this long.
    max_age_seconds: int = Field(default=DAY, ge=60, le=30 * DAY)
    #: How far clocks of clients may be ahead; such events happened when they were received.
    max_ahead_seconds: int = Field(default=300, ge=0, le=3600)
    #: What a user does counts for an experiment for this long after an exposure.
    attribution_seconds: int = Field(default=DAY, ge=1800, le=30 * DAY)
    #: Replace user ids by keyed hashes.
    hash_users: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.hash_users and self.mapping.ids.user is not IdKind.TEXT:
            raise ValueError("hashUsers needs mapping.ids.user: Text, because hashes are texts")
        if not self.values:
            raise ValueError(
                "no kind of event becomes an interaction: set interactions, as in "
                '{"click": 1}, or give mapping.interactions.eventTypes a type among '
                f"{', '.join(Kind)}"
            )
        columns = self.mapping.interactions
        if self.interactions is not None and columns.event_types:
            listed = {each.type for each in columns.event_types}
            if missing := sorted(set(self.interactions) - listed):
                raise ValueError(
                    f"interactions has {missing[0]!r}, which mapping.interactions.eventTypes "
                    "lacks, so ingestion would quarantine it: add the type, or remove the kind"
                )
        return self

    @property
    def values(self) -> dict[Kind, float | None]:
        """The kinds that become interactions, with their value or None for the event's own."""
        if self.interactions is not None:
            return dict(self.interactions)
        types = {each.type: each.value for each in self.mapping.interactions.event_types or ()}
        if positive := self.mapping.best_types:
            # As in training: a type without a value has the best one if it is positive.
            for name, value in types.items():
                if value is None:
                    types[name] = MAX_VALUE if name in positive else MIN_VALUE
        return {kind: types[kind] for kind in Kind if kind in types}

    @property
    def acts(self) -> dict[Kind, float | None]:
        """Those of `values` of which sessions consist, in training too: what users do.

        Impressions are left out if the label is attributed to them alone, or if a type among them
        is its own response: then the others are items that were only shown.
        """
        label = self.mapping.label
        if label is None or not label.of_shown_items:
            return self.values
        shown = label.only_shown
        return {kind: value for kind, value in self.values.items() if kind not in shown}

    @property
    def segments(self) -> tuple[str, ...]:
        """Those of `told_segments` whose value is in the context of an event: named ones."""
        named = {each.name for each in self.mapping.of_context if each.kind in NAMED}
        return tuple(each for each in self.told_segments if each in named)

    @property
    def told_segments(self) -> tuple[str, ...]:
        """The features that divide predictions.

        Only impressions of a transformer that knows bands and requests say numbers of the context
        and features of users (`labelSegments`).
        """
        return tuple(each.name for each in self.mapping.dividing)

    @property
    def outcome(self) -> Outcome | None:
        """When an impression's item is positive; None if its events do not show that.

        They show it if the label is attributed to impressions, which the transformer reports, and
        all of its positive types are kinds of events.
        """
        label = self.mapping.label
        if label is None or label.attribution is None or not label.positive_types:
            return None
        types = {each.type for each in label.positive_types}
        is_seen = types.issubset(_OUTCOMES) and Kind.IMPRESSION in label.attribution.impressions
        if not is_seen or label.attribution.hours > MOST_OUTCOME_HOURS:
            return None
        return Outcome(frozenset(map(Kind, types)), label.attribution.seconds)


class Declaration(Section):
    """The models whose events are collected."""

    models: dict[Name, Model] = Field(min_length=1, max_length=100)

    @property
    def ages(self) -> dict[str, int]:
        """The seconds for which the ids of each model's events are known."""
        return {name: each.max_age_seconds for name, each in self.models.items()}


def parse_declaration(text: str | bytes) -> Declaration:
    """Read a declaration from JSON.

    Raises:
        DeclarationError: with the fields, their values and the remedies.
    """
    try:
        return Declaration.model_validate(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise DeclarationError(f"the declaration is not JSON: {error}") from None
    except ValidationError as error:
        raise DeclarationError(
            "the declaration: " + "; ".join(map(_problem, error.errors()))
        ) from (None)


def _problem(issue: Any) -> str:
    path = ".".join(str(part) for part in issue["loc"])
    given = "" if isinstance(issue["input"], dict) else f" got {str(issue['input'])[:80]!r};"
    return f"{path}:{given} {re.sub('^Value error, ', '', issue['msg'])}"
