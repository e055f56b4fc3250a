"""Read settings that the operator passes as JSON: pure."""

from __future__ import annotations

import enum
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recommender_contract.events import Source
from recommender_serving.domain.callers import Callers
from recommender_serving.experiments.holdout import MAX_PERCENT, Holdout
from recommender_serving.ranking.exploration import Exploration
from recommender_serving.ranking.list_composition import Diversity, Exposure, ListLimits


class Setting(BaseModel):
    """A JSON object without other fields than its own."""

    model_config = ConfigDict(extra="forbid")


Name = Annotated[str, Field(min_length=1, max_length=40)]
Given = TypeVar("Given", bound=Setting)


def _read(kind: type[Given], text: str) -> Given:
    """Return the settings of a text.

    Raises:
        ValueError: the text is not the JSON of valid settings; names the first bad field.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {first['msg']}" if path else first["msg"]) from None


class _Callers(Setting):
    trusted: bool = False
    userHeader: str = Field(default="", pattern=r"^([a-z][a-z0-9-]{0,63})?$")  # noqa: N815


def parse_callers(text: str) -> Callers:
    """Return the properties of all callers.

    Raises:
        ValueError: the text is not the JSON of valid settings; names the first bad field.
    """
    given = _read(_Callers, text)
    return Callers(given.trusted, given.userHeader)


class _Exploration(Setting):
    share: float = Field(gt=0, le=0.2)
    pool: int = Field(ge=2, le=20)


def parse_exploration(text: str) -> Exploration:
    """Return the settings of exploration.

    Raises:
        ValueError: the text is not the JSON of valid settings; names the first bad field.
    """
    given = _read(_Exploration, text)
    return Exploration(given.share, given.pool)


class _Answers(enum.StrEnum):
    BASELINE = "Baseline"
    POPULARITY = "Popularity"


class _Holdout(Setting):
    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    salt: str = Field(pattern=r"^holdout-[0-9a-f]{8}$")
    percent: int = Field(ge=1, le=MAX_PERCENT)
    answers: _Answers
    cap: float = Field(gt=0, le=1e9)


def parse_holdout(text: str) -> Holdout:
    """Return the settings of the holdout.

    Raises:
        ValueError: the text is not the JSON of valid settings; names the first bad field.
    """
    given = _read(_Holdout, text)
    answers = Source.BASELINE if given.answers is _Answers.BASELINE else Source.POPULARITY
    return Holdout(given.id, given.salt, given.percent, answers, given.cap)


class _Diversity(Setting):
    feature: Name
    maxPerCategory: int = Field(ge=1)  # noqa: N815


class _Exposure(Setting):
    feature: Name
    categories: list[str] = Field(min_length=1)
    minShare: float = Field(gt=0, le=1)  # noqa: N815


class _Limits(Setting):
    diversity: list[_Diversity] = Field(default_factory=list)
    exposure: list[_Exposure] = Field(default_factory=list)


def parse_list_limits(text: str) -> ListLimits:
    """Return the limits of lists.

    Raises:
        ValueError: the text is not the JSON of valid limits; names the first bad field.
    """
    given = _read(_Limits, text)
    return ListLimits(
        tuple(Diversity(each.feature, each.maxPerCategory) for each in given.diversity),
        tuple(
            Exposure(each.feature, frozenset(each.categories), each.minShare)
            for each in given.exposure
        ),
    )
