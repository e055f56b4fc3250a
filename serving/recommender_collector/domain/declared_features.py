"""The features of a mapping as the collector reads them: pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from recommender_contract.features import MAX_TEXT, NAME, PER_ROW, Kind

Column = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class Section(BaseModel):
    """A part of a declaration, in which every field is known."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class Part(Section):
    """A part of the mapping; what does not concern events is ignored."""

    model_config = ConfigDict(extra="ignore")


class ContextFeature(Part):
    """A declared feature of the context of an event."""

    name: str = Field(pattern=NAME)
    kind: Kind
    column: Column | None = None
    minimum: float | None = None
    maximum: float | None = None
    separator: str | None = Field(default=None, min_length=1)
    max_per_row: int = PER_ROW
    length: int = 1
    calendar: str | None = None
    cold_start: bool = False
    fairness: bool = False
    segments: bool = False
    served_as: str | None = None


class UserFeature(Part):
    """A declared feature of users."""

    name: str = Field(pattern=NAME)
    kind: Kind | None = None
    fairness: bool = False
    segments: bool = False


class Users(Part):
    """The features of users."""

    features: tuple[UserFeature, ...] = ()
