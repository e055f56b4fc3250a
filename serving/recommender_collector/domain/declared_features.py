"""The features of a mapping as the collector reads them: pure."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Column = Annotated[str, Field(min_length=1, max_length=64)]


class ContextKind(enum.StrEnum):
    """Kinds of a context feature, as in the mapping."""

    CATEGORICAL = "Categorical"
    MULTI_CATEGORICAL = "MultiCategorical"
    BOOLEAN = "Boolean"
    NUMERIC = "Numeric"
    TIMESTAMP = "Timestamp"
    EMBEDDING = "Embedding"


#: Kinds whose value has a name, or is in a band, or is a list.
NAMED = frozenset({ContextKind.CATEGORICAL, ContextKind.BOOLEAN})
BANDED = frozenset({ContextKind.NUMERIC, ContextKind.TIMESTAMP})
LISTS = frozenset({ContextKind.MULTI_CATEGORICAL, ContextKind.EMBEDDING})


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

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    kind: ContextKind
    column: Column | None = None
    minimum: float | None = None
    maximum: float | None = None
    separator: str | None = Field(default=None, min_length=1)
    max_per_row: int = 16
    length: int = 1
    calendar: str | None = None
    cold_start: bool = False
    fairness: bool = False
    segments: bool = False
    served_as: str | None = None


class UserFeature(Part):
    """A declared feature of users."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    kind: ContextKind | None = None
    fairness: bool = False
    segments: bool = False


class Users(Part):
    """The features of users."""

    features: tuple[UserFeature, ...] = ()
